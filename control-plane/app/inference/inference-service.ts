import type { Clock } from "../../../shared/base/clock.ts";
import { encodeCancel } from "../../../shared/protocol/frames/inference-frame.ts";
import { MAX_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { resolve } from "../../core/routing/table.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { InferenceExecution } from "./inference-execution.ts";
import { refusal } from "./inference-responses.ts";
import type { InferenceResponse, InferenceRequest } from "./inference-request.ts";
import type { SessionRegistry } from "../node-sessions/node-session.ts";
import { RouteCache } from "./route-cache.ts";
import type { Telemetry } from "./telemetry.ts";

const EXPIRY_SWEEP_MS = 50;

interface Parts {
  readonly fleet: FleetCache;
  readonly registry: SessionRegistry;
  readonly telemetry: Telemetry;
  readonly timings: NodeTimings;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Resolves the URL of an inference to a version and its ready placements, and begins its execution. It also ends, by a
 * sweep over all channels, the attempts whose time is over.
 */
export class InferenceService {
  readonly #parts: Parts;
  readonly #routes: RouteCache;
  #cancelSweep: () => void = () => undefined;
  #isDraining = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#routes = new RouteCache(parts);
  }

  start(): void {
    this.#routes.start();
    this.#scheduleSweep();
  }

  /** Refuses new requests; those under way go on. */
  drain(): void {
    this.#isDraining = true;
  }

  stop(): void {
    this.#cancelSweep();
  }

  /** Requests under way at nodes. */
  inFlight(): number {
    return this.#parts.registry.withRequests().reduce((sum, session) => sum + session.pending.size, 0);
  }

  /** Always answers; errors are answers with a code. */
  async infer(request: InferenceRequest): Promise<InferenceResponse> {
    const { clock, random, telemetry } = this.#parts;
    const startedAt = clock.now();
    if (this.#isDraining) return refusal("DRAINING", "this control plane is about to stop", { reason: "draining" });
    const { model, version, site } = request;
    const resolved = resolve(this.#routes.table(), { model, version, site }, random);
    if (resolved.kind === "unknown") return refusal("NOT_FOUND", resolved.detail, { reason: "none-ready" });
    const { ready, policy } = resolved;
    const stats = telemetry.ofModel(model);
    const execution = new InferenceExecution(
      {
        request,
        version: resolved.version,
        startedAt,
        deadline: startedAt + Math.min(request.timeoutMs ?? policy.timeoutMs, MAX_DEADLINE_MS),
        ready,
        policy,
        stats,
      },
      { routes: this.#routes, clock, random },
    );
    const answer = await execution.run();
    if (answer.status === 200) stats.answerTimes.add(clock.now() - startedAt);
    return answer;
  }

  #scheduleSweep(): void {
    this.#cancelSweep = this.#parts.clock.after(EXPIRY_SWEEP_MS, () => {
      const now = this.#parts.clock.now();
      for (const { pending, inference } of this.#parts.registry.withRequests()) {
        for (const requestId of pending.expire(now)) inference?.send([encodeCancel(requestId)]);
      }
      this.#scheduleSweep();
    });
  }
}
