import type { Clock } from "../../../shared/base/clock.ts";
import { DEFAULT_BODIES_BYTES, DEFAULT_QUEUE } from "../../../shared/protocol/limits.ts";
import type { PlacementLoad } from "../../../shared/protocol/messages/load-report.ts";
import { refusalOf } from "../../core/admission.ts";
import type { ModelHost } from "../../ports/model-hosts.ts";
import type { WorkerRequest, WorkerResponse } from "../../ports/serving.ts";
import { PlacementQueue, type ServedPlacement } from "../placements/placement-queue.ts";
import { type Outcome, streamOf } from "../placements/request-outcome.ts";
import { StreamStates } from "./stream-states.ts";
import { HostReplacements } from "./host-replacements.ts";
import type { OperateRequest, RequestExecutor } from "./request-executor.ts";
import { figuresOf, inFlightAt, WorkerAnswers } from "./worker-answers.ts";

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
  readonly #answers: WorkerAnswers;
  #isDraining = false;
  readonly #maxHeldBytes: number;
  /** Of the bodies of all requests that were taken and not answered. */
  #heldBytes = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#streams = parts.streams ?? new StreamStates({ clock: parts.clock });
    this.#maxHeldBytes = parts.maxHeldBytes ?? DEFAULT_BODIES_BYTES;
    this.#answers = new WorkerAnswers({
      nodeName: parts.nodeName,
      maxHeldBytes: this.#maxHeldBytes,
      heldBytes: () => this.#heldBytes,
      inFlight: () => this.inFlight,
    });
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
    return this.#answers.operated(placementId, bundle);
  }

  /** Always answers: what goes wrong has a status, a code and an `{"error"}` body. Requests of one stream run one after another. */
  async infer(request: WorkerRequest): Promise<WorkerResponse> {
    const { placementId, stream, explain } = request;
    if (stream === undefined || explain === true || !this.#streams.isKept(placementId)) return this.#infer(request);
    const queue = this.#queues.get(placementId);
    const asked = { ...request, stream };
    if (this.#streams.waitingFor(asked) >= (queue?.placement.limits.queue ?? DEFAULT_QUEUE))
      return this.#answers.refused({ status: 429, code: "QUEUE_FULL", full: "count" }, request, queue);
    const answer = await this.#streams.inTurn(asked, (kept, leftMs) =>
      this.#infer({ ...request, kept, deadlineMs: leftMs }),
    );
    if (answer === "late")
      return this.#answers.refused({ status: 429, code: "QUEUE_FULL", full: "time" }, request, queue);
    if (answer !== "missing") return answer;
    const refused = this.#answers.refused({ status: 503, code: "MODEL_NOT_READY" }, request, queue);
    return { ...refused, status: 409, isStreamMissing: true };
  }

  async #infer(request: WorkerRequest): Promise<WorkerResponse> {
    const queue = this.#queues.get(request.placementId);
    const bytes = request.body.byteLength;
    const limits = { heldBytes: this.#heldBytes, maxBytes: this.#maxHeldBytes };
    const node = { kind: this.#parts.nodeKind, isDraining: this.#isDraining, ...limits };
    const view = queue?.view() ?? this.#replacements.view(request.placementId);
    const refusal = refusalOf({ ...request, bytes }, node, view);
    if (refusal !== undefined) return this.#answers.refused(refusal, request, queue);
    this.#heldBytes += bytes;
    const { outcome, queue: last } = await this.#submit(request, queue);
    this.#heldBytes -= bytes;
    if (last === undefined || outcome === undefined)
      return this.#answers.refused({ status: 404, code: "MODEL_NOT_READY" }, request, last);
    const stream = streamOf(outcome);
    if (stream === undefined) this.#count(request.placementId, endOf(outcome));
    else void stream.ended.then(({ kind }) => this.#count(request.placementId, STREAM_ENDS[kind]));
    return this.#answers.answered(outcome, last);
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
