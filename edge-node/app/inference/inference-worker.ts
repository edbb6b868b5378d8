import type { Clock } from "../../../shared/base/clock.ts";
import type { ErrorCode } from "../../../shared/base/errors.ts";
import { ERRORS } from "../../../shared/base/errors.ts";
import { errorBody } from "../../../shared/inference/response.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import { DEFAULT_BODIES_BYTES, DEFAULT_DEADLINE_MS, DEFAULT_QUEUE } from "../../../shared/protocol/limits.ts";
import type { PlacementLoad } from "../../../shared/protocol/messages.ts";
import { expectedMs, type Refusal, refusalOf } from "../../core/admission.ts";
import type { HostResponse, ModelHost } from "../../ports/model-hosts.ts";
import type { QueueFigures, WorkerResponse, WorkerRequest } from "../../ports/serving.ts";
import { PlacementQueue, type ServedPlacement } from "../placements/placement-queue.ts";
import { type Outcome, streamOf } from "../placements/request-outcome.ts";
import { own } from "../../../shared/bytes/owned-bytes.ts";
import { StreamStates } from "./stream-states.ts";
import { HostReplacements } from "./host-replacements.ts";
import type { OperateRequest, RequestExecutor } from "./request-executor.ts";

interface Parts {
  readonly clock: Clock;
  /** For the sentences of refusals. */
  readonly nodeName: string;
  readonly nodeKind: "edge" | "cloud";
  /** Bytes of request bodies that the node holds together. Default: `DEFAULT_BODIES_BYTES`. */
  readonly maxHeldBytes?: number;
  /** Left out: what is kept of streams ends with the program. */
  readonly streams?: StreamStates;
}

interface Counts {
  done: number;
  failed: number;
}

/** Placements whose counters outlive them; the oldest are forgotten. */
const MAX_COUNTED = 1_024;
const MAX_U32 = 0xffff_ffff;

/**
 * Gives requests to the hosts of their placements. Each placement has a queue of its own, so a model that hangs delays
 * nobody else. Bodies pass through unread.
 */
export class InferenceWorker implements RequestExecutor {
  readonly #parts: Parts;
  readonly #queues = new Map<string, PlacementQueue>();
  /** Of hosts that were replaced and still answer. */
  readonly #draining = new Set<PlacementQueue>();
  /** By placement, since the node booted: they survive a restart of the host. */
  readonly #counts = new Map<string, Counts>();
  readonly #replacements = new HostReplacements();
  readonly #streams: StreamStates;
  #isDraining = false;
  /** Of the bodies of all requests that were taken and not answered. */
  #heldBytes = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#streams = parts.streams ?? new StreamStates({ clock: parts.clock });
  }

  serve(placement: ServedPlacement, host: ModelHost): void {
    if (host.keepsState === true)
      this.#streams.serves(placement.placementId, `${placement.model}:${placement.version}`);
    const current = this.#queues.get(placement.placementId);
    if (current?.host === host) {
      current.update(placement);
      return;
    }
    current?.close();
    const queue = new PlacementQueue(placement, host, this.#parts.clock);
    this.#queues.set(placement.placementId, queue);
    this.#replacements.end(placement.placementId, queue);
  }

  replaceHost(placementId: string): void {
    const queue = this.#queues.get(placementId);
    if (queue === undefined) return;
    this.#queues.delete(placementId);
    this.#replacements.begin(placementId, queue.placement.limits.queue);
    queue.close({ isReplaced: true });
  }

  async replace(placement: ServedPlacement, host: ModelHost): Promise<void> {
    const old = this.#queues.get(placement.placementId);
    this.#queues.set(placement.placementId, new PlacementQueue(placement, host, this.#parts.clock));
    if (old === undefined) return;
    this.#draining.add(old);
    await old.emptied();
    this.#draining.delete(old);
  }

  remove(placementId: string): void {
    this.#queues.get(placementId)?.close();
    this.#queues.delete(placementId);
    this.#replacements.end(placementId, undefined);
  }

  /** From now on every request is refused with 503; what is queued still runs. */
  drain(): void {
    this.#isDraining = true;
  }

  get inFlight(): number {
    let sum = 0;
    for (const queue of this.#queues.values()) sum += queue.inFlight;
    for (const queue of this.#draining) sum += queue.inFlight;
    return sum;
  }

  keptStreams(placementId: string): number {
    return this.#streams.keptBy(placementId);
  }

  streamFigures(): ReturnType<StreamStates["figures"]> {
    return this.#streams.figures();
  }

  handOver(placementId: string, ended: Promise<void>): Promise<number> {
    return this.#streams.handOver(placementId, ended);
  }

  forget(placementId: string): void {
    this.#streams.forget(placementId);
  }

  reached(): void {
    this.#streams.unconfirm();
  }

  async operate({ placementId, operation, body, deadlineMs }: OperateRequest): Promise<WorkerResponse> {
    const bundle = await this.#streams.operate({ placementId, deadlineMs }, operation, body);
    const nothing = { queueUs: 0, computeUs: 0, inHost: undefined, wasNotExecuted: false };
    const figures = { nodeInFlight: this.inFlight, placementInFlight: 0, slots: 1, meanUs: 0, p95Us: 0 };
    if (bundle === undefined)
      return {
        status: 404,
        code: "MODEL_NOT_READY",
        headerLength: JSON_BODY,
        body: errorBody(`${placementId} keeps no such stream`),
        ...nothing,
        ...figures,
      };
    return {
      status: 200,
      code: undefined,
      headerLength: 0,
      body: own(Uint8Array.from(bundle)),
      ...nothing,
      ...figures,
    };
  }

  /** Always answers: what goes wrong has a status, a code and an `{"error"}` body. Requests of one stream run one after another. */
  async infer(request: WorkerRequest): Promise<WorkerResponse> {
    const { placementId, stream, explain } = request;
    if (stream === undefined || explain === true || !this.#streams.isKept(placementId)) return this.#infer(request);
    const queue = this.#queues.get(placementId);
    const asked = { ...request, stream };
    if (this.#streams.waitingFor(asked) >= (queue?.placement.limits.queue ?? DEFAULT_QUEUE))
      return this.#refuse({ status: 429, code: "QUEUE_FULL", full: "count" }, request, queue);
    const answer = await this.#streams.inTurn(asked, (kept, leftMs) =>
      this.#infer({ ...request, kept, deadlineMs: leftMs }),
    );
    if (answer === "late") return this.#refuse({ status: 429, code: "QUEUE_FULL", full: "time" }, request, queue);
    if (answer !== "missing") return answer;
    const refused = this.#refuse({ status: 503, code: "MODEL_NOT_READY" }, request, queue);
    return { ...refused, status: 409, isStreamMissing: true };
  }

  async #infer(request: WorkerRequest): Promise<WorkerResponse> {
    const queue = this.#queues.get(request.placementId);
    const bytes = request.body.byteLength;
    const { nodeKind: kind, maxHeldBytes: maxBytes = DEFAULT_BODIES_BYTES } = this.#parts;
    const node = { kind, isDraining: this.#isDraining, heldBytes: this.#heldBytes, maxBytes };
    const view = queue?.view() ?? this.#replacements.view(request.placementId);
    const refusal = refusalOf({ ...request, bytes }, node, view);
    if (refusal !== undefined) return this.#refuse(refusal, request, queue);
    this.#heldBytes += bytes;
    const { outcome, queue: last } = await this.#submit(request, queue);
    this.#heldBytes -= bytes;
    if (last === undefined || outcome === undefined)
      return this.#refuse({ status: 404, code: "MODEL_NOT_READY" }, request, last);
    const stream = streamOf(outcome);
    if (stream === undefined) this.#count(request.placementId, endOf(outcome));
    else void stream.ended.then(({ kind }) => this.#count(request.placementId, STREAM_ENDS[kind]));
    return this.#answer(outcome, last);
  }

  /** Gives a request to its queue; when another request ends the host, to the queue of the next host, while its time lasts. */
  async #submit(
    request: WorkerRequest,
    first: PlacementQueue | undefined,
  ): Promise<{ readonly outcome: Outcome | undefined; readonly queue: PlacementQueue | undefined }> {
    const { clock } = this.#parts;
    const { placementId } = request;
    const arrivedAt = clock.now();
    const leftMs = (): number => request.deadlineMs - (clock.now() - arrivedAt);
    let outcome: Outcome | undefined;
    let queue = first;
    let ask = request;
    for (;;) {
      const last: PlacementQueue | undefined = queue;
      const current = this.#queues.get(placementId);
      // The one that it was in may be known here still, while its host is gone.
      queue = outcome !== undefined && current !== last ? current : queue;
      if (queue === undefined || (outcome !== undefined && queue === last))
        queue = await this.#replacements.next(placementId, { ...ask, deadlineMs: leftMs() }, clock);
      if (queue === undefined) return { outcome: leftMs() > 0 ? outcome : outlived(outcome, request), queue: last };
      outcome = await queue.submit({ ...ask, deadlineMs: Math.max(0, leftMs()) });
      if (outcome.kind === "answered" || outcome.again === undefined || leftMs() <= 0) return { outcome, queue };
      ask = { ...request, isAlone: outcome.again === "alone" };
    }
  }

  load(): { readonly rif: number; readonly placements: readonly PlacementLoad[] } {
    const placements = [...this.#queues].map(([placementId, queue]) => ({
      placementId,
      rif: inFlightAt(queue),
      queued: queue.queued + (queue.host.others?.().waiting ?? 0),
      ...figuresOf(queue),
      ...(this.#counts.get(placementId) ?? { done: 0, failed: 0 }),
      rssMiB: Math.round(queue.host.rssMiB()),
    }));
    return { rif: this.inFlight, placements };
  }

  #count(placementId: string, end: "done" | "failed" | undefined): void {
    if (end === undefined) return;
    const counts = this.#counts.get(placementId) ?? { done: 0, failed: 0 };
    this.#counts.set(placementId, counts);
    counts[end] += 1;
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > MAX_COUNTED && oldest !== undefined) this.#counts.delete(oldest);
  }

  #answer(outcome: Outcome, queue: PlacementQueue): WorkerResponse {
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
    return { ...figuresOf(queue), nodeInFlight: this.inFlight, placementInFlight: inFlightAt(queue) };
  }

  #refuse(refusal: Refusal, request: WorkerRequest, queue: PlacementQueue | undefined): WorkerResponse {
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
      nodeInFlight: this.inFlight,
      placementInFlight: queue?.inFlight ?? 0,
      ...figures,
    };
  }

  #why({ code, full }: Refusal, { placementId, deadlineMs }: WorkerRequest, queue: PlacementQueue | undefined): string {
    const { nodeName, maxHeldBytes = DEFAULT_BODIES_BYTES } = this.#parts;
    const model =
      queue === undefined ? `placement ${placementId}` : `${queue.placement.model}:${queue.placement.version}`;
    if (full === "bytes")
      return `${nodeName} holds ${toMiB(this.#heldBytes)} MiB of requests; its limit is ${toMiB(maxHeldBytes)} MiB (SKERRY_BODIES_MIB)`;
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

/** Its time ended before the next host came. */
const outlived = (outcome: Outcome | undefined, { deadlineMs }: WorkerRequest): Outcome | undefined =>
  outcome?.kind === "dropped"
    ? {
        ...outcome,
        code: "DEADLINE_EXCEEDED",
        why: `its ${deadlineMs} ms passed while the model host was started again`,
      }
    : outcome;

/** With what an engine does for others: who asks it waits behind them, too. */
function inFlightAt({ inFlight, host }: PlacementQueue): number {
  const { running, waiting } = host.others?.() ?? { running: 0, waiting: 0 };
  return inFlight + running + waiting;
}

const STREAM_ENDS = { complete: "done", failed: "failed", cancelled: undefined } as const;

/** What a request counts as. A fault of the input is the caller's, and the model did what it should. */
function endOf(outcome: Outcome): "done" | "failed" | undefined {
  if (outcome.kind === "answered") {
    const { status, code, isExplained } = outcome.answer;
    // Too many evaluations for its time: no fault of the model.
    if (isExplained === true && code === "DEADLINE_EXCEEDED") return undefined;
    return status < 500 ? "done" : "failed";
  }
  return outcome.started && outcome.code !== "CANCELLED" ? "failed" : undefined;
}

/** An engine took no more requests, or was not ready: it was not asked to run it, so another node may be. */
const isForOthers = ({ code, isBeforeRun }: HostResponse): boolean =>
  isBeforeRun === true && (code === "QUEUE_FULL" || code === "MODEL_NOT_READY");

/** The status in a frame: 404 says that this placement is not ready, whatever the model is elsewhere. */
const statusOf = (code: ErrorCode): number => (code === "MODEL_NOT_READY" ? 404 : ERRORS[code].status);

const toMiB = (bytes: number): number => Math.round(bytes / 1_048_576);

const toUs = (ms: number): number => Math.min(MAX_U32, Math.round(ms * 1_000));

const figuresOf = ({
  slots,
  meanMs,
  statistics,
}: PlacementQueue): { slots: number; meanUs: number; p95Us: number } => ({
  slots,
  meanUs: toUs(meanMs),
  p95Us: toUs(statistics.p95Ms),
});
