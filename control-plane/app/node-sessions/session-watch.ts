import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { INFERENCE_SILENCE_MS } from "../../../shared/protocol/limits.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import type { Replica, SessionStore } from "../../ports/nodes.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { SessionRegistry } from "./node-session.ts";
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
 * Checks every session twice a second: when its node was last heard, and whether an ack of its document is overdue. Records
 * what other replicas need to know of the sessions.
 */
export class SessionWatch {
  readonly #parts: Parts;
  readonly #records = new SessionRecords();
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(TICK_MS, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  #look(): void {
    const { replica, registry, clock, fleet, sessions, timings } = this.#parts;
    const now = clock.now();
    const { nodes } = fleet.snapshot();
    for (const session of registry.all()) {
      const { control, inference, liveness, nodeId, epoch } = session;
      liveness.heard(Math.max(control.lastByteAt(), inference?.lastByteAt() ?? 0));
      // Heartbeats tell the fleet too, and sooner: the sockets tell it of a node whose heartbeats do not get through.
      if (now - (nodes.get(nodeId)?.observed?.lastSeen ?? 0) > timings.suspectMs / 2)
        fleet.apply({ type: "node-heard", nodeId, epoch, at: liveness.lastHeard });
      const isSilent = liveness.silentMs > timings.suspectMs;
      if (isSilent) control.close(CLOSE.TOO_SLOW, "no byte within the limit");
      // With its channel the requests inside are lost, so those with time left go elsewhere now.
      if (inference && (isSilent || now - inference.lastByteAt() > INFERENCE_SILENCE_MS)) {
        inference.close(CLOSE.TOO_SLOW, "no byte within the limit");
      }
      session.desired.resendOverdue();
    }
    const due = this.#records.take(registry.all(), nodes, { now, isLifeRecorded: this.#parts.isLifeRecorded() });
    if (due) void sessions.touch(replica, due.sessions, due).catch(() => this.#records.failed(now));
  }
}
