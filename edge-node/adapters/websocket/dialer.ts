import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { FEATURES } from "../../../shared/protocol/features.ts";
import type { Channel } from "../../../shared/protocol/limits.ts";
import type { ControlPlaneMessage, Welcome } from "../../../shared/protocol/messages/control-plane-messages.ts";
import type { TransferFrame } from "../../../shared/protocol/frames/transfer-frame.ts";
import type { NodeIdentity } from "../../ports/identity.ts";
import type {
  ControlChannel,
  Dialer,
  InferenceChannel,
  SessionAddress,
  TransferChannel,
} from "../../ports/channels.ts";
import { channelRefused, isChannelRefused } from "../../app/session/channel-refused.ts";
import { WebSocketControlChannel } from "./control-channel.ts";
import { WebSocketInferenceChannel, type InferenceHandlers } from "./inference-channel.ts";
import type { NodeChannel } from "./node-channel.ts";
import { openChannel, type Answer, type Connect } from "./open-channel.ts";
import { WebSocketTransferChannel } from "./transfer-channel.ts";

interface Parts {
  readonly identity: NodeIdentity;
  readonly agentVersion: string;
  readonly connect: Connect;
  readonly clock: Clock;
}

/** A control plane of the same network answers sooner. */
const DIRECT_MS = 2_000;

/** Dials the control plane over ws. After a failure the next control dial goes to the next URL; the other channels follow it. */
export class WebSocketDialer implements Dialer {
  readonly #parts: Parts;
  readonly #open = new Set<NodeChannel>();
  #url = 0;
  /** Where a control plane said that it is itself, and could not be dialled. */
  #unreached: string | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  tryNextUrl(): void {
    this.#url += 1;
  }

  async control(
    hello: Parameters<Dialer["control"]>[0],
    onMessage: (message: ControlPlaneMessage) => void,
    signal: AbortSignal,
  ): Promise<ControlChannel> {
    const { identity, agentVersion, clock } = this.#parts;
    const { epoch: lastEpoch, ...rest } = hello;
    const answer: Answer = (signature) => ({
      type: "hello",
      id: 1,
      re: 1,
      nodeId: identity.nodeId,
      generation: identity.generation,
      signature,
      agentVersion,
      features: [...FEATURES],
      clock: new Date(clock.wallNow()).toISOString(),
      lastEpoch,
      ...rest,
    });
    try {
      const { socket, opening } = await this.#dial("control", { replica: undefined, signal }, answer);
      const channel = new WebSocketControlChannel(socket, {
        welcome: welcomeOf(opening),
        clock,
        lastByteOnAny: () => Math.max(...[...this.#open].map((each) => each.lastByteAt())),
      });
      channel.listen(onMessage);
      return channel;
    } catch (error) {
      this.tryNextUrl();
      throw error;
    }
  }

  async inference(
    session: SessionAddress & { streamsResponses: boolean },
    handlers: InferenceHandlers,
    signal: AbortSignal,
  ): Promise<InferenceChannel> {
    const { socket } = await this.#dialSession("inference", { session, signal }, this.#attach(session));
    const channel = new WebSocketInferenceChannel(socket, {
      clock: this.#parts.clock,
      streamsResponses: session.streamsResponses,
    });
    channel.listen(handlers);
    return channel;
  }

  async transfer(
    session: SessionAddress & { ticket: string },
    onFrame: (frame: TransferFrame) => Promise<void>,
    signal: AbortSignal,
  ): Promise<TransferChannel> {
    const { socket } = await this.#dialSession("transfer", { session, signal }, this.#attach(session));
    const channel = new WebSocketTransferChannel(socket);
    channel.listen(onFrame);
    return channel;
  }

  #attach({ epoch, ticket }: { readonly epoch: number; readonly ticket?: string }): Answer {
    const { nodeId, generation } = this.#parts.identity;
    return (signature) => ({
      type: "attach",
      id: 1,
      re: 1,
      epoch,
      nodeId,
      generation,
      signature,
      ...(ticket !== undefined && { ticket }),
    });
  }

  /**
   * Dials the control plane that holds the session where it is itself, if it said so. From where that cannot be reached, or
   * the join token does not allow it, its other URL is dialled, and from then on only that one.
   */
  async #dialSession(
    channel: Channel,
    { session, signal }: { readonly session: SessionAddress; readonly signal: AbortSignal },
    answer: Answer,
  ): ReturnType<typeof openChannel> {
    const { replica, url } = session;
    if (url !== undefined && url !== this.#unreached)
      try {
        return await this.#dial(channel, { replica, url, upgradeMs: DIRECT_MS, signal }, answer);
      } catch (error) {
        if (signal.aborted || isRefusal(error)) throw error;
        this.#unreached = url;
      }
    return this.#dial(channel, { replica, signal }, answer);
  }

  async #dial(
    channel: Channel,
    to: {
      readonly replica: string | undefined;
      readonly signal: AbortSignal;
      readonly url?: string;
      readonly upgradeMs?: number;
    },
    answer: Answer,
  ): ReturnType<typeof openChannel> {
    const { identity, connect, clock } = this.#parts;
    const url = identity.urls[this.#url % identity.urls.length] ?? "";
    const opened = await openChannel({ channel, url, identity, connect, clock, ...to }, answer);
    const { socket } = opened;
    this.#open.add(socket);
    void socket.closed.then(() => this.#open.delete(socket));
    return opened;
  }
}

/** The control plane that holds the session, or held it, was reached: there is no other way to what it refuses. */
const isRefusal = (error: unknown): boolean =>
  isChannelRefused(error) && (error.closed.code === CLOSE.SESSION_ENDED || error.closed.code === CLOSE.NOT_YOURS);

function welcomeOf(opening: ControlPlaneMessage): Welcome {
  if (opening.type === "welcome" && opening.epoch !== undefined) return opening;
  throw channelRefused({ code: CLOSE.INVALID_MESSAGE, reason: "welcome without an epoch", retryAfterMs: 0 });
}
