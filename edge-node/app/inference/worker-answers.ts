import type { ErrorCode } from "../../../shared/base/errors.ts";
import { ERRORS } from "../../../shared/base/errors.ts";
import { own } from "../../../shared/bytes/owned-bytes.ts";
import { errorBody } from "../../../shared/inference/response.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import { DEFAULT_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import { expectedMs, type Refusal } from "../../core/admission.ts";
import type { HostResponse } from "../../ports/model-hosts.ts";
import type { QueueFigures, WorkerRequest, WorkerResponse } from "../../ports/serving.ts";
import type { PlacementQueue } from "../placements/placement-queue.ts";
import type { Outcome } from "../placements/request-outcome.ts";

interface Parts {
  /** For the sentences of refusals. */
  readonly nodeName: string;
  /** Bytes of request bodies that the node may hold together, and those that it holds. */
  readonly maxHeldBytes: number;
  readonly heldBytes: () => number;
  /** Requests at the node, in all queues. */
  readonly inFlight: () => number;
}

const MAX_U32 = 0xffff_ffff;

/**
 * Makes of what became of a request the answer that travels to the control plane: status, code, body, and the figures of the
 * queue that it was in. What goes wrong has an `{"error"}` body that says what to do.
 */
export class WorkerAnswers {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Of an operation on a stream that is kept here; undefined: there is no such stream. */
  operated(placementId: string, bundle: Uint8Array | undefined): WorkerResponse {
    const figures = { nodeInFlight: this.#parts.inFlight(), placementInFlight: 0, slots: 1, meanUs: 0, p95Us: 0 };
    const timings = { queueUs: 0, computeUs: 0, inHost: undefined };
    if (bundle !== undefined) {
      const body = own(Uint8Array.from(bundle));
      return { status: 200, code: undefined, wasNotExecuted: false, headerLength: 0, body, ...timings, ...figures };
    }
    return {
      status: 404,
      code: "MODEL_NOT_READY",
      wasNotExecuted: false,
      headerLength: JSON_BODY,
      body: errorBody(`${placementId} keeps no such stream`),
      ...timings,
      ...figures,
    };
  }

  /** Of a request that was in a queue. */
  answered(outcome: Outcome, queue: PlacementQueue): WorkerResponse {
    const queueUs = toUs(outcome.queueMs);
    const figures = { ...this.#figures(queue), queueUs };
    if (outcome.kind === "answered") {
      const { status, code, computeUs, decodeUs, encodeUs, batchSize, isDoubtful, isExplained, kept } = outcome.answer;
      const { headerLength, body } = code === "OUT_OF_MEMORY" ? this.#tooLarge(code, "", queue) : outcome.answer;
      const inHost = { decodeUs, runUs: Math.max(0, computeUs - decodeUs - encodeUs), encodeUs, batchSize };
      const wasNotExecuted = isForOthers(outcome.answer);
      const marks = { ...(isDoubtful === true && { isDoubtful }), ...(isExplained === true && { isExplained }) };
      const answer = {
        status,
        code,
        wasNotExecuted,
        headerLength,
        body,
        computeUs,
        inHost,
        kept,
        ...figures,
        ...marks,
      };
      return body instanceof Uint8Array ? answer : { ...answer, figuresAtEnd: () => this.#figures(queue) };
    }
    const { code, why, started } = outcome;
    const { model, version } = queue.placement;
    if (code === "OUT_OF_MEMORY" || code === "RUN_TOO_LONG") {
      const body = this.#tooLarge(code, why, queue);
      return {
        status: statusOf(code),
        code,
        wasNotExecuted: false,
        ...body,
        computeUs: 0,
        inHost: undefined,
        ...figures,
      };
    }
    const detail = `${model}:${version} on ${this.#parts.nodeName} did not answer: ${why}. ${ERRORS[code].fix}`;
    return {
      status: statusOf(code),
      code,
      wasNotExecuted: !started,
      headerLength: JSON_BODY,
      body: errorBody(detail),
      computeUs: 0,
      inHost: undefined,
      ...figures,
    };
  }

  /** Why one request cannot be answered, with the limit that it does not keep to. */
  #tooLarge(code: "OUT_OF_MEMORY" | "RUN_TOO_LONG", why: string, { placement, host }: PlacementQueue) {
    const { model, version, limits } = placement;
    const limit =
      code === "OUT_OF_MEMORY"
        ? `needs more memory than the ${host.memory().limitMiB} MiB of limits.memMiB`
        : `takes longer than the ${limits.timeoutMs || DEFAULT_DEADLINE_MS} ms of limits.timeoutMs`;
    const told = why === "" ? "" : ` (${why})`;
    const detail = `this request ${limit} of ${model}:${version} on ${this.#parts.nodeName}${told}. ${ERRORS[code].fix}`;
    return { headerLength: JSON_BODY, body: errorBody(detail) };
  }

  #figures(queue: PlacementQueue): QueueFigures {
    return { ...figuresOf(queue), nodeInFlight: this.#parts.inFlight(), placementInFlight: inFlightAt(queue) };
  }

  /** Of a request that no queue took. `queue`: that of its placement, where there is one. */
  refused(refusal: Refusal, request: WorkerRequest, queue: PlacementQueue | undefined): WorkerResponse {
    const { status, code } = refusal;
    const figures = queue === undefined ? { slots: 1, meanUs: 0, p95Us: 0 } : figuresOf(queue);
    return {
      status,
      code,
      wasNotExecuted: true,
      headerLength: JSON_BODY,
      body: errorBody(`${this.#why(refusal, request, queue)}. ${ERRORS[code].fix}`),
      queueUs: 0,
      computeUs: 0,
      inHost: undefined,
      nodeInFlight: this.#parts.inFlight(),
      placementInFlight: queue?.inFlight ?? 0,
      ...figures,
    };
  }

  #why({ code, full }: Refusal, { placementId, deadlineMs }: WorkerRequest, queue: PlacementQueue | undefined): string {
    const { nodeName, maxHeldBytes, heldBytes } = this.#parts;
    const model =
      queue === undefined ? `placement ${placementId}` : `${queue.placement.model}:${queue.placement.version}`;
    if (full === "bytes")
      return `${nodeName} holds ${toMiB(heldBytes())} MiB of requests; its limit is ${toMiB(maxHeldBytes)} MiB (SKERRY_BODIES_MIB)`;
    if (full === "count")
      return `${model} on ${nodeName} holds ${queue?.inFlight ?? 0} requests; more than ${queue?.placement.limits.queue ?? 0} may not wait (limits.queue)`;
    if (full === "time") {
      const needMs = queue === undefined ? 0 : expectedMs(queue.view());
      return `${model} on ${nodeName} has ${queue?.inFlight ?? 0} requests in flight and would answer in about ${needMs.toFixed(0)} ms, too late for the ${deadlineMs.toFixed(0)} ms that are left`;
    }
    if (code === "DRAINING") return `${nodeName} is stopping and takes no new requests`;
    if (code === "EDGE_ONLY") return `${nodeName} is a cloud node, and the request may only run at the edge`;
    return `${model} is not ready on ${nodeName}`;
  }
}

/** With what an engine does for others: who asks it waits behind them, too. */
export function inFlightAt({ inFlight, host }: PlacementQueue): number {
  const { running, waiting } = host.others?.() ?? { running: 0, waiting: 0 };
  return inFlight + running + waiting;
}

/** An engine took no more requests, or was not ready: it was not asked to run it, so another node may be. */
const isForOthers = ({ code, isBeforeRun }: HostResponse): boolean =>
  isBeforeRun === true && (code === "QUEUE_FULL" || code === "MODEL_NOT_READY");

/** The status in a frame: 404 says that this placement is not ready, whatever the model is elsewhere. */
const statusOf = (code: ErrorCode): number => (code === "MODEL_NOT_READY" ? 404 : ERRORS[code].status);

const toMiB = (bytes: number): number => Math.round(bytes / 1_048_576);

const toUs = (ms: number): number => Math.min(MAX_U32, Math.round(ms * 1_000));

/** How many a placement runs at once, and how long they take, in µs. */
export const figuresOf = ({
  slots,
  meanMs,
  statistics,
}: PlacementQueue): { slots: number; meanUs: number; p95Us: number } => ({
  slots,
  meanUs: toUs(meanMs),
  p95Us: toUs(statistics.p95Ms),
});
