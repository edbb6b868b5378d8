import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { INFERENCE_SILENCE_MS } from "../../../shared/protocol/limits.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import type { SessionStore } from "../../ports/nodes.ts";
import type { DesiredStateSync } from "./desired-state-sync.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { SessionRegistry } from "./node-session.ts";

const TICK_MS = 500;
/** `last_seen_at` of all sessions is written in one statement, at most this often. */
const TOUCH_MS = 5_000;

interface Parts {
  readonly registry: SessionRegistry;
  readonly fleet: FleetCache;
  readonly desired: DesiredStateSync;
  readonly sessions: Pick<SessionStore, "touch">;
  readonly timings: NodeTimings;
  readonly clock: Clock;
}

/** Looks at every session twice a second: who was heard, who fell silent, whose desired document is not acknowledged. */
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
    const { registry, clock, fleet, timings, desired, sessions } = this.#parts;
    const now = clock.now();
    for (const session of registry.all()) {
      const { control, inference, nodeId, epoch } = session;
      session.lastHeard = Math.max(session.lastHeard, control.lastByteAt(), inference?.lastByteAt() ?? 0);
      fleet.apply({ type: "node-heard", nodeId, epoch, at: session.lastHeard });
      const isSilent = now - session.lastHeard > timings.suspectMs;
      if (isSilent) control.close(CLOSE.TOO_SLOW, "no byte within the limit");
      // With its channel the requests inside are lost, so those with time left go elsewhere now.
      if (inference && (isSilent || now - inference.lastByteAt() > INFERENCE_SILENCE_MS)) {
        inference.close(CLOSE.TOO_SLOW, "no byte within the limit");
      }
      desired.resendOverdue(session);
    }
    if (now - this.#touchedAt < TOUCH_MS) return;
    this.#touchedAt = now;
    const seen = registry.all().map(({ nodeId, epoch, lastHeard }) => ({ nodeId, epoch, ageMs: now - lastHeard }));
    if (seen.length > 0) void sessions.touch(seen).catch(() => undefined); // the next round writes it
  }
}
