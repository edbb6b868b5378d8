import { assertNever } from "../../../shared/base/assert-never.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { IDENTITY_CONFLICT } from "../../../shared/protocol/messages/envelope.ts";
import type { Capabilities } from "../../../shared/protocol/messages/capabilities.ts";
import type { ControlPlaneMessage } from "../../../shared/protocol/messages/control-plane-messages.ts";
import type { StreamReport } from "../../../shared/protocol/messages/load-report.ts";
import type { ArtifactDisk } from "../../ports/disk.ts";
import type { ControlChannel, Dialer, ChannelClosed } from "../../ports/channels.ts";
import type { SystemProbe } from "../../ports/machine.ts";
import type { NodeTelemetry } from "../../ports/serving.ts";
import { FEATURE } from "../../../shared/protocol/features.ts";
import type { DesiredStateReceiver } from "../placements/desired-state-receiver.ts";
import type { CallerKeys } from "./caller-keys.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { KeyRotation } from "./key-rotation.ts";
import { InferenceConnection } from "../inference/inference-connection.ts";
import { LoadReports } from "./load-reports.ts";
import type { NodeLog } from "./node-log.ts";
import type { Placements } from "../placements/placements.ts";
import type { RequestExecutor } from "../inference/request-executor.ts";
import type { StatusReports } from "./status-reports.ts";
import type { Transfers } from "../transfer/transfers.ts";

export interface SessionParts {
  readonly dialer: Dialer;
  readonly desired: DesiredStateReceiver;
  readonly placements: Placements;
  readonly statuses: StatusReports;
  readonly transfers: Transfers;
  readonly log: NodeLog;
  readonly serving: RequestExecutor;
  /** Room for transfers. */
  readonly disk: Pick<ArtifactDisk, "freeMiB">;
  readonly probe: SystemProbe;
  /** Undefined: the node's own address takes no API keys. */
  readonly callerKeys?: CallerKeys | undefined;
  /** Undefined: the key of this node stays. */
  readonly keyRotation?: KeyRotation | undefined;
  readonly telemetry: NodeTelemetry;
  /** Left out: the node runs no streams. */
  readonly streams?: (() => readonly StreamReport[]) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How a session came to its end. After `goaway` its channels are still open: the next session takes over first. */
export type SessionEnd =
  | { readonly kind: "closed"; readonly closed: ChannelClosed }
  | { readonly kind: "goaway"; readonly reason: string };

/** One authenticated session: its pulse, its reports, its other two channels, one handler for each message. */
export class Session {
  readonly #parts: SessionParts;
  readonly #channel: ControlChannel;
  readonly #epoch: number;
  readonly #heartbeat: Heartbeat;
  readonly #load: LoadReports;
  readonly #inference: InferenceConnection;
  #isSentAway = false;
  readonly #end = Promise.withResolvers<SessionEnd>();
  #cancelGoaway: () => void = () => undefined;
  /** Not to be back before this, when the control plane said so. */
  #backAt = -Infinity;

  constructor(
    channel: ControlChannel,
    { epoch, onProven }: { epoch: number; onProven: () => void },
    parts: SessionParts,
  ) {
    const { clock, random, telemetry, desired, placements, dialer } = parts;
    const { replica, url, features } = channel.welcome;
    const streamsResponses = features.includes(FEATURE.RESPONSE_STREAMS);
    this.#parts = parts;
    this.#channel = channel;
    this.#epoch = epoch;
    this.#heartbeat = new Heartbeat({
      channel,
      clock,
      random,
      telemetry,
      desired: () => desired.position,
      // A plan or a request that comes the moment the node is ready finds its round trip, its room and its channel.
      beforeReady: () => Promise.all([this.#load.start(), this.#inference.whenOpened()]),
      onProven,
    });
    this.#load = new LoadReports({
      ...parts,
      channel,
      isServing: () => placements.ready().size > 0,
      rttMs: () => this.#heartbeat.rttMs,
    });
    this.#inference = new InferenceConnection({
      ...parts,
      dial: (handlers, signal) => dialer.inference({ epoch, replica, url, streamsResponses }, handlers, signal),
    });
  }

  /** Resolves when the session is over, or a new one should take over. */
  get ended(): Promise<SessionEnd> {
    return this.#end.promise;
  }

  /** Whether the control plane asked for a new session elsewhere: it still sends requests on this one until it closes it. */
  get isSentAway(): boolean {
    return this.#isSentAway;
  }

  /** Resolves when the control channel is closed. */
  get linkClosed(): Promise<unknown> {
    return this.#channel.closed;
  }

  start(): void {
    const { desired, statuses, log, transfers, dialer } = this.#parts;
    const { replica, url } = this.#channel.welcome;
    const channel = this.#channel;
    desired.reset();
    statuses.connect(channel);
    log.connect((message) => channel.send(message));
    transfers.connect({
      send: (message) => channel.send(message),
      dial: (ticket, onFrame, signal) => dialer.transfer({ epoch: this.#epoch, replica, url, ticket }, onFrame, signal),
    });
    this.placementsChanged();
    this.#heartbeat.start();
    void this.#parts.keyRotation?.began(channel);
    this.#parts.callerKeys?.began(channel);
    void channel.closed.then((closed) => {
      const retryAfterMs = Math.max(closed.retryAfterMs, this.#backAt - this.#parts.clock.now());
      this.#end.resolve({ kind: "closed", closed: { ...closed, retryAfterMs } });
    });
  }

  /** A placement changed its state. */
  placementsChanged(): void {
    this.#inference.want(this.#parts.placements.expectRequests);
  }

  /** To a control plane that does not take it the next session says it. */
  capabilitiesChanged(capabilities: Capabilities): void {
    if (this.#channel.welcome.features.includes(FEATURE.CHANGED_CAPABILITIES))
      this.#channel.send({ type: "capabilities", capabilities });
  }

  onMessage(message: ControlPlaneMessage): void {
    const { desired, transfers, logger } = this.#parts;
    switch (message.type) {
      case "heartbeat.ack":
        return this.#heartbeat.onAck(message);
      case "desired.snapshot":
      case "desired.delta":
        return desired.onMessage(message, this.#channel);
      case "transfer.offer":
        return void transfers.onOffer(message);
      case "goaway":
        return this.#leave(message);
      case "error":
        return logger.warn(
          { code: message.code, detail: message.detail },
          message.code === IDENTITY_CONFLICT
            ? "another process has the identity of this node"
            : "the control plane refused a message",
        );
      case "challenge":
      case "welcome":
      case "attached":
        return this.#channel.close(CLOSE.INVALID_MESSAGE, `${message.type} was said already`);
      case "caller.keys":
        return void this.#parts.callerKeys?.onMessage(message);
      case "key.due":
        return void this.#parts.keyRotation?.due(this.#channel);
      case "ok":
        return void this.#parts.keyRotation?.answered(this.#channel, message.re);
      default:
        assertNever(message);
    }
  }

  /** Stops what this session does for the node. */
  detach(): void {
    const { statuses, log, transfers } = this.#parts;
    this.#cancelGoaway();
    this.#heartbeat.stop();
    this.#load.stop();
    statuses.disconnect();
    log.disconnect();
    transfers.disconnect();
    void this.#parts.callerKeys?.ended();
  }

  /** Closes the channels; requests under way get up to 5 s. */
  async close(reason: string): Promise<void> {
    await this.#inference.close();
    this.#channel.close(CLOSE.DONE, reason);
  }

  #leave({ reason, reconnectMs }: { readonly reason: string; readonly reconnectMs: number }): void {
    const { clock, logger } = this.#parts;
    logger.info({ reason, reconnectMs }, "the control plane asks this node to open a new session");
    this.#backAt = clock.now() + reconnectMs;
    this.#isSentAway = true;
    this.#cancelGoaway();
    this.#cancelGoaway = clock.after(reconnectMs, () => this.#end.resolve({ kind: "goaway", reason }));
  }
}
