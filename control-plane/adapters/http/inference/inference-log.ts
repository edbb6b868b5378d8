import { OBJECT_NAME } from "../../../../shared/api/v1/common.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import type { ErrorCode } from "../../../../shared/base/errors.ts";
import type { Logger } from "../../../../shared/base/logging/logger.ts";
import type { Rate } from "../../../../shared/flow/token-bucket.ts";
import type { TraceContext } from "../../../../shared/base/trace-context.ts";
import type { InferenceResponse } from "../../../app/inference/inference-request.ts";
import { TokenBuckets } from "../../../../shared/flow/token-buckets.ts";

export interface LoggedInference {
  readonly requestId: string;
  /** Undefined when nobody traces it. */
  readonly trace: TraceContext | undefined;
  /** As the URL named it: what cannot be a name is not written, it may be a secret at the wrong place. */
  readonly model: string;
  readonly code: ErrorCode | "OK";
  readonly ms: number;
  /** Undefined when the request was refused before it was routed. */
  readonly answer: InferenceResponse | undefined;
}

/** Failures that are written, of each code: a line for each of a flood would be a flood too. */
const FAILURES: Rate = { perSecond: 2, burst: 20 };

/**
 * One line about a request that is sampled, failed or was tried twice: who asked for what, who answered, where the time
 * went. Never a tensor. The node's log has the same trace id.
 */
export class InferenceLog {
  readonly #logger: Logger;
  readonly #failures: TokenBuckets;

  constructor({ logger, clock }: { logger: Logger; clock: Clock }) {
    this.#logger = logger;
    this.#failures = new TokenBuckets(FAILURES, clock);
  }

  add({ requestId, trace, model, code, ms, answer }: LoggedInference): void {
    const isOdd = code !== "OK" || (answer?.route.attempt ?? 1) > 1;
    if (trace?.isSampled !== true && !(isOdd && this.#failures.take(code))) return;
    const traced = trace && { traceId: trace.traceId, spanId: trace.spanId };
    const fields = {
      requestId,
      ...traced,
      model: OBJECT_NAME.test(model) ? model : undefined,
      code,
      ms: rounded(ms),
      ...routeOf(answer),
    };
    if (code === "OK" || code === "CANCELLED") this.#logger.info(fields, "inference");
    else this.#logger.warn(fields, "inference");
  }
}

function routeOf(answer: InferenceResponse | undefined): object {
  if (answer === undefined) return {};
  const { node, modelVersion, route, timing } = answer;
  return {
    ...(node !== undefined && { node }),
    ...(modelVersion !== undefined && { modelVersion }),
    reason: route.reason,
    attempt: route.attempt,
    queueMs: rounded(timing.queueMs),
    inferMs: rounded(timing.inferMs),
  };
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100;
