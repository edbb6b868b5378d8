import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { INFERENCE_SILENCE_MS } from "../../../shared/protocol/limits.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import type { SessionStore } from "../../ports/nodes.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { SessionRegistry } from "./node-session.ts";

const TICK_MS = 500;
/** `last_seen_at` of all sessions is written in one statement, at most this often. */
const TOUCH_MS = 5_000;

interface Parts {
  readonly registry: SessionRegistry;
  readonly fleet: FleetCache;
  readonly sessions: Pick<SessionStore, "touch">;
  readonly timings: NodeTimings;
  readonly clock: Clock;
}

/** Checks every session twice a second: when its node was last heard, and whether an ack of its document is overdue. */
export class SessionWatch {
  readonly #parts: Parts;
  #touchedAt = 0;
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
    const { registry, clock, fleet, timings, sessions } = this.#parts;
    const now = clock.now();
    for (const session of registry.all()) {
      const { control, inference, liveness, nodeId, epoch } = session;
      liveness.heard(Math.max(control.lastByteAt(), inference?.lastByteAt() ?? 0));
      fleet.apply({ type: "node-heard", nodeId, epoch, at: liveness.lastHeard });
      const isSilent = liveness.silentMs > timings.suspectMs;
      if (isSilent) control.close(CLOSE.TOO_SLOW, "no byte within the limit");
      // With its channel the requests inside are lost, so those with time left go elsewhere now.
      if (inference && (isSilent || now - inference.lastByteAt() > INFERENCE_SILENCE_MS)) {
        inference.close(CLOSE.TOO_SLOW, "no byte within the limit");
      }
      session.desired.resendOverdue();
    }
    if (now - this.#touchedAt < TOUCH_MS) return;
    this.#touchedAt = now;
    const seen = registry.all().map(({ nodeId, epoch, liveness }) => ({ nodeId, epoch, ageMs: liveness.silentMs }));
    if (seen.length > 0) void sessions.touch(seen).catch(() => undefined); // the next round writes it
  }
}
