import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { INFERENCE_SILENCE_MS } from "../../../shared/protocol/limits.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import type { Replica, SessionStore } from "../../ports/nodes/nodes.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { NodeSession, SessionRegistry } from "./node-session.ts";
import { SessionRecords } from "./session-records.ts";

const TICK_MS = 500;

interface Parts {
  readonly replica: Replica;
  readonly registry: SessionRegistry;
  readonly fleet: FleetCache;
  readonly sessions: Pick<SessionStore, "touch">;
  readonly timings: NodeTimings;
  /** Whether the renewals of the lease record that this replica lives. */
  readonly isLifeRecorded: () => boolean;
  readonly clock: Clock;
}

/**
 * Closes the channels of nodes that are silent, and records what other replicas need to know of the sessions. A session is
 * looked at when it may have been silent for half of its limit, and twice a second from then on: of a node whose heartbeats
 * come, every few seconds.
 */
export class SessionWatch {
  readonly #parts: Parts;
  readonly #records = new SessionRecords();
  /** Ids of nodes whose readiness may be another than recorded. */
  #turned = new Set<string>();
  /** A record is under way. Of two at once the older one could be the last, and what it says of a node would stand for a minute. */
  #isRecording = false;
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#parts.fleet.onChange(({ nodes }) => nodes.forEach((nodeId) => this.#turned.add(nodeId)));
    this.#schedule();
  }

  stop(): void {
    this.#cancel();
  }

  #schedule(): void {
    this.#cancel = this.#parts.clock.after(TICK_MS, () => {
      const now = this.#parts.clock.now();
      for (const session of this.#parts.registry.all()) if (session.liveness.isLookDue(now)) this.#look(session, now);
      this.#record(now);
      this.#schedule();
    });
  }

  #look(session: NodeSession, now: number): void {
    const { fleet, timings } = this.#parts;
    const { control, inference, liveness, nodeId, epoch } = session;
    session.hear();
    const toldAt = fleet.snapshot().nodes.get(nodeId)?.observed?.lastSeen ?? 0;
    // Heartbeats tell the fleet too, and sooner: the sockets tell it of a node whose heartbeats do not get through.
    const isOverdue = now - toldAt > timings.suspectMs / 2;
    if (isOverdue) fleet.apply({ type: "node-heard", nodeId, epoch, at: liveness.lastHeard });
    const isSilent = liveness.silentMs > timings.suspectMs;
    if (isSilent) control.close(CLOSE.TOO_SLOW, "no byte within the limit");
    // With its channel the requests inside are lost, so those with time left go elsewhere now.
    if (inference && (isSilent || now - inference.lastByteAt() > INFERENCE_SILENCE_MS)) {
      inference.close(CLOSE.TOO_SLOW, "no byte within the limit");
    }
    const overdueAt = Math.min(toldAt, liveness.lastHeard) + timings.suspectMs / 2;
    const silentAt = (inference?.lastByteAt() ?? Infinity) + INFERENCE_SILENCE_MS;
    liveness.looked(Math.min(overdueAt, silentAt));
  }

  #record(now: number): void {
    if (this.#isRecording) return;
    const { replica, registry, fleet, sessions, isLifeRecorded } = this.#parts;
    const turned = [...this.#turned].map((nodeId) => registry.get(nodeId)).filter((session) => session !== undefined);
    this.#turned = new Set();
    const found = { turned, all: () => registry.all() };
    const due = this.#records.take(found, fleet.snapshot().nodes, { now, isLifeRecorded: isLifeRecorded() });
    if (!due) return;
    this.#isRecording = true;
    void sessions
      .touch(replica, due.sessions, due)
      .catch(() => this.#records.failed(now))
      .finally(() => (this.#isRecording = false));
  }
}
