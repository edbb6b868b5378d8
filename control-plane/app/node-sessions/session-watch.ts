import type { Clock } from "../../../shared/base/clock.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { INFERENCE_SILENCE_MS } from "../../../shared/protocol/limits.ts";
import { isBidirectional, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { Replica, SessionStore, TouchedSession } from "../../ports/nodes.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { NodeSession, SessionRegistry } from "./node-session.ts";

const TICK_MS = 500;
/** What is observed of all sessions is recorded in one statement this often, and when a node turned ready or unready. */
const TOUCH_MS = 5_000;

interface Parts {
  readonly replica: Replica;
  readonly registry: SessionRegistry;
  readonly fleet: FleetCache;
  readonly sessions: Pick<SessionStore, "touch">;
  readonly timings: NodeTimings;
  readonly clock: Clock;
}

/** Checks every session twice a second: when its node was last heard, and whether an ack of its document is overdue. */
export class SessionWatch {
  readonly #parts: Parts;
  readonly #recorded = new WeakMap<NodeSession, boolean>();
  #touchedAt = -Infinity;
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
    const { registry, clock, fleet, timings } = this.#parts;
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
    this.#record(now);
  }

  #record(now: number): void {
    const { replica, registry, fleet, sessions } = this.#parts;
    const { nodes } = fleet.snapshot();
    let hasTurned = false;
    const seen: TouchedSession[] = [];
    for (const session of registry.all()) {
      const { nodeId, epoch, liveness } = session;
      const node = nodes.get(nodeId);
      const isReady = node !== undefined && isBidirectional(node);
      hasTurned ||= isReady !== (this.#recorded.get(session) ?? false);
      seen.push({ nodeId, epoch, ageMs: liveness.silentMs, isReady, load: node?.load });
      this.#recorded.set(session, isReady);
    }
    if (!hasTurned && now - this.#touchedAt < TOUCH_MS) return;
    this.#touchedAt = now;
    void sessions.touch(replica, seen).catch(() => undefined); // the next round writes it
  }
}
