import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import { hostFailure } from "../../../../../edge-node/app/hosts/host-failure.ts";
import { InferenceWorker } from "../../../../../edge-node/app/inference/inference-worker.ts";
import type {
  HostExit,
  HostRequest,
  HostResponse,
  HostStream,
  HostTrailer,
  ModelHost,
} from "../../../../../edge-node/ports/model-hosts.ts";
import type { WorkerResponse, WorkerRequest } from "../../../../../edge-node/ports/serving.ts";
import { ResponseStream } from "../../../../../shared/inference/response-stream.ts";
import { JSON_BODY } from "../../../../../shared/protocol/frames/inference-frame.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";
import { bytesOf } from "../../../../support/models/answer-bytes.ts";

const ANSWER: HostResponse = {
  status: 200,
  code: undefined,
  headerLength: JSON_BODY,
  body: own(new Uint8Array(0)),
  computeUs: 5,
  decodeUs: 1,
  encodeUs: 1,
  batchSize: 1,
};
const CANCELLED = { status: 499, code: "CANCELLED" };

/** A host whose runs end when the test says so. */
export class ScriptedHost implements ModelHost {
  readonly inputs = [];
  readonly outputs = [];
  readonly loadMs = 1;
  readonly warmUs: number;
  readonly mayShare = undefined;
  readonly measuredMiB = undefined;
  readonly noBatchReason: string | undefined;
  readonly exited = new Promise<HostExit>(() => undefined);
  /** Bodies in the order in which they were handed over. */
  readonly seen: string[] = [];
  readonly limits: number[] = [];
  readonly rows: number[] = [];
  /** Whether each was asked to explain, and the time that was left, in ms. */
  readonly explained: (readonly [boolean | undefined, number | undefined])[] = [];
  #end: ((position: number) => Error) | undefined;
  readonly #running: { resolve(answer: HostResponse): void; reject(error: unknown): void }[] = [];

  /** `turns`: its requests share runs. */
  constructor(warmUs = 10_000, { turns = false } = {}) {
    this.warmUs = warmUs;
    this.noBatchReason = turns ? undefined : "one by one";
  }

  rssMiB(): number {
    return 84.4;
  }

  memory(): { limitMiB: number; privateMiB: number } {
    return { limitMiB: 100, privateMiB: 21.3 };
  }

  raiseMemory(): Promise<void> {
    return Promise.resolve();
  }

  infer({ body, timeoutMs, maxRows, cancellation, explain, leftMs }: HostRequest): Promise<HostResponse> {
    if (this.#end !== undefined) return Promise.reject(this.#end(Infinity));
    this.seen.push(new TextDecoder().decode(body));
    this.limits.push(timeoutMs);
    this.rows.push(maxRows);
    this.explained.push([explain, leftMs]);
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject };
      this.#running.push(waiting);
      // The first runs and cannot be stopped; those behind it are dropped.
      cancellation?.onCancel(() => {
        const at = this.#running.indexOf(waiting);
        if (at > 0) this.#running.splice(at, 1).forEach((dropped) => dropped.resolve({ ...ANSWER, ...CANCELLED }));
      });
    });
  }

  get held(): number {
    return this.#running.length;
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  async answer(over: Partial<HostResponse> = {}): Promise<void> {
    this.#running.shift()?.resolve({ ...ANSWER, ...over });
    await settle();
  }

  /** Memory ends it; the first `suspects` of its requests may have been the cause. */
  async overwhelm(suspects: number): Promise<void> {
    const failure = (i: number): Error =>
      Object.assign(hostFailure("OUT_OF_MEMORY", "it held 300 MiB"), {
        started: i < suspects,
        blames: "OUT_OF_MEMORY",
        suspects,
      });
    this.#end = failure;
    for (const [i, waiting] of this.#running.splice(0).entries()) waiting.reject(failure(i));
    await settle();
  }

  async crash(): Promise<void> {
    for (const [i, waiting] of this.#running.splice(0).entries())
      waiting.reject(Object.assign(hostFailure("HOST_CRASHED", "signal SIGSEGV"), { started: i === 0 }));
    await settle();
  }
}

export const PLACEMENT = {
  placementId: "p-1",
  model: "digits",
  version: "3",
  limits: { queue: 64, timeoutMs: 2_000, maxBatch: 4 },
};

export function setUp({ kind = "edge" as "edge" | "cloud", host = new ScriptedHost(), maxHeldBytes = 1_000_000 } = {}) {
  const clock = new TestClock();
  const worker = new InferenceWorker({ clock, nodeName: "dock-7", nodeKind: kind, maxHeldBytes });
  worker.serve(PLACEMENT, host);
  return { clock, worker, host };
}

export const request = (text: string, over: Partial<WorkerRequest> = {}): WorkerRequest => ({
  placementId: "p-1",
  body: new TextEncoder().encode(text),
  headerLength: JSON_BODY,
  deadlineMs: 1_000,
  edgeOnly: false,
  priority: 0,
  cancellation: new Cancellation(),
  ...over,
});

export const errorOf = (answer: WorkerResponse): string =>
  (JSON.parse(new TextDecoder().decode(bytesOf(answer))) as { error: string }).error;

export const aStream = (length: number | undefined): HostStream =>
  new ResponseStream<HostTrailer>({ length, windowBytes: 1_024, grant: () => undefined });

export function doneAndFailed(worker: InferenceWorker): readonly number[] {
  const [load] = worker.load().placements;
  return [load?.done ?? 0, load?.failed ?? 0];
}
