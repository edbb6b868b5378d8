import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import {
  AUTHENTICATION_DEADLINE_MS,
  channelPath,
  MAX_MESSAGE_BYTES,
  MAX_TRANSFER_MESSAGE_BYTES,
  SUBPROTOCOL,
  type Channel,
} from "../../../shared/protocol/limits.ts";
import type { ControlPlaneMessage } from "../../../shared/protocol/messages/control-plane-messages.ts";
import { REPLICA_HEADER } from "../../../shared/protocol/peers.ts";
import { sessionProofText } from "../../../shared/protocol/proofs.ts";
import type { NodeIdentity } from "../../ports/identity.ts";
import type { ChannelClosed, ChannelRefused } from "../../ports/channels.ts";
import { isChannelRefused, channelRefused } from "../../app/session/channel-refused.ts";
import { isLoopback } from "../../../shared/base/network/loopback.ts";
import { closedByStatus, NodeChannel } from "./node-channel.ts";
import { parseMessage } from "./parse-message.ts";

/**
 * A control plane to which a thousand nodes come back at once has them wait for their turn. A node that gives up makes its TLS
 * handshake again: with 10 s, one of 1,000 was back after two minutes on a busy machine, after 4,600 dials.
 */
const UPGRADE_DEADLINE_MS = 20_000;

/** Opens the TCP or TLS connection to a control plane, checked against the pin. Rejects when it may not or cannot. */
export type Connect = (url: URL, signal: AbortSignal) => Promise<Socket>;

export interface OpenOptions {
  readonly channel: Channel;
  readonly url: string;
  readonly identity: NodeIdentity;
  readonly replica: string | undefined;
  readonly connect: Connect;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** DNS, TCP, TLS and the upgrade together; 20 s if left out. */
  readonly upgradeMs?: number;
}

/** What answers the challenge: `hello` or `attach`, with this signature. */
export type Answer = (signature: string) => object;

type Opening = Extract<ControlPlaneMessage, { type: "welcome" | "attached" }>;

/** Dials one channel and answers its challenge. Resolves when the control plane took the answer; throws `ChannelRefused`. */
export async function openChannel(
  options: OpenOptions,
  answer: Answer,
): Promise<{ readonly socket: NodeChannel; readonly opening: Opening }> {
  const { clock, signal } = options;
  const socket = await upgrade(options);
  const onAbort = (): void => socket.terminate("called off");
  signal.addEventListener("abort", onAbort, { once: true });
  const cancel = clock.after(AUTHENTICATION_DEADLINE_MS, () => socket.terminate("the handshake took over 5 s"));
  try {
    if (signal.aborted) onAbort();
    return { socket, opening: await authenticate(socket, options, answer) };
  } catch (error) {
    socket.close(CLOSE.INVALID_MESSAGE, messageOf(error));
    throw error;
  } finally {
    cancel();
    signal.removeEventListener("abort", onAbort);
  }
}

async function authenticate(socket: NodeChannel, { channel, identity }: OpenOptions, answer: Answer): Promise<Opening> {
  const challenge = await expectMessage(socket);
  if (challenge.type !== "challenge") throw refused("the first message was not a challenge");
  // The proof names the control plane it is for, so it is worth nothing to another one that relays a nonce.
  if (challenge.cpId !== identity.cpId) throw refused("this is not the control plane that the node joined");
  const { nodeId, generation, cpId } = identity;
  const { nonce } = challenge;
  const signature = identity.sign(sessionProofText({ cpId, channel, nodeId, generation, nonce }));
  socket.send(JSON.stringify(answer(signature)));
  const opening = await expectMessage(socket);
  const expected = channel === "control" ? "welcome" : "attached";
  if ((opening.type !== "welcome" && opening.type !== "attached") || opening.type !== expected)
    throw refused(`${opening.type} came in place of ${expected}`);
  return opening;
}

async function expectMessage(socket: NodeChannel): Promise<ControlPlaneMessage> {
  const next = await socket.next();
  if (!next) throw channelRefused(await socket.closed);
  const parsed = next.isBinary ? undefined : parseMessage(next.data);
  if (parsed?.kind !== "message") throw refused("the handshake broke the protocol");
  return parsed.message;
}

const refused = (reason: string): ChannelRefused =>
  channelRefused({ code: CLOSE.INVALID_MESSAGE, reason, retryAfterMs: 0 });

async function upgrade(options: OpenOptions): Promise<NodeChannel> {
  const { channel, url, identity, replica, connect, clock, signal, upgradeMs = UPGRADE_DEADLINE_MS } = options;
  const deadline = new AbortController();
  const stop = (): void => deadline.abort(signal.reason);
  const cancel = clock.after(upgradeMs, () => deadline.abort(new Error(`no connection within ${upgradeMs / 1_000} s`)));
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    const target = new URL(channelPath(channel), url);
    const below = await connect(target, deadline.signal);
    const webSocket = new WebSocket(target, [SUBPROTOCOL], {
      headers: { "Skerry-Node-Id": identity.nodeId, ...(replica !== undefined && { [REPLICA_HEADER]: replica }) },
      createConnection: () => below,
      perMessageDeflate: false,
      skipUTF8Validation: false,
      followRedirects: false,
      maxFragments: 64,
      allowSynchronousEvents: true, // `releaseSpentChunks` counts on it
      ...(isPrivate(target) && { generateMask: noMask }),
      ...(channel === "transfer"
        ? { maxPayload: MAX_TRANSFER_MESSAGE_BYTES, maxBufferedChunks: 16_384 }
        : { maxPayload: MAX_MESSAGE_BYTES, maxBufferedChunks: 1_024 }),
    });
    return await opened(webSocket, { below, clock, messagesAreKept: channel === "transfer", signal: deadline.signal });
  } catch (error) {
    if (isChannelRefused(error)) throw error;
    throw channelRefused({ code: 1006, reason: messageOf(error), retryAfterMs: 0 });
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Whether no proxy can look into what is sent. A mask is there to keep it from taking bytes that somebody else chose for
 * HTTP (RFC 6455, 10.3); elsewhere it only costs a copy and its removal (602 kB there and back: 5.2 ms with, 3.6 ms without).
 */
const isPrivate = ({ protocol, hostname }: URL): boolean => protocol === "wss:" || isLoopback(hostname);

/** The key stays zero, which both ends of ws take for no mask. */
const noMask = (): void => undefined;

function opened(
  webSocket: WebSocket,
  { signal, ...parts }: { below: Socket; clock: Clock; messagesAreKept: boolean; signal: AbortSignal },
): Promise<NodeChannel> {
  return new Promise((resolve, reject) => {
    const refuse = (closed: ChannelClosed): void => reject(channelRefused(closed));
    const onAbort = (): void => {
      refuse({ code: 1006, reason: messageOf(signal.reason), retryAfterMs: 0 });
      webSocket.terminate();
      parts.below.destroy();
    };
    webSocket.once("unexpected-response", (request, response) => {
      refuse(closedByStatus(response.statusCode ?? 0, response.headers["retry-after"]));
      request.destroy();
    });
    webSocket.on("error", (error) => refuse({ code: 1006, reason: messageOf(error), retryAfterMs: 0 }));
    // In this very event, so that a message that came with the upgrade finds its listener.
    webSocket.once("open", () => {
      signal.removeEventListener("abort", onAbort);
      resolve(new NodeChannel(webSocket, parts));
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
