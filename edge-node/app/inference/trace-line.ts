import type { Logger } from "../../../shared/base/logging/logger.ts";
import { parseTraceparent } from "../../../shared/base/trace-context.ts";
import type { WorkerResponse } from "../../ports/serving.ts";

/**
 * Writes a line about a request whose trace is sampled, with the trace's id and the span of its sender. The
 * model host has no log: its part of the way is told here too.
 */
export function traceLine(
  logger: Logger,
  asked: { readonly traceparent: string | readonly string[] | undefined; readonly placementId: string },
  { status, code, queueUs, computeUs, inHost }: WorkerResponse,
): void {
  const trace = parseTraceparent(asked.traceparent);
  if (trace?.isSampled !== true) return;
  const { traceId, spanId: parentSpanId } = trace;
  const { placementId } = asked;
  logger.info({ traceId, parentSpanId, placementId, status, code, queueUs, computeUs, ...inHost }, "inference");
}
