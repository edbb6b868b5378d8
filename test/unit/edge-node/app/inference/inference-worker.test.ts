import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { describe, expect, it } from "@jest/globals";
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
class ScriptedHost implements ModelHost {
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

  infer({ body, timeoutMs, maxRows, cancellation }: HostRequest): Promise<HostResponse> {
    if (this.#end !== undefined) return Promise.reject(this.#end(Infinity));
    this.seen.push(new TextDecoder().decode(body));
    this.limits.push(timeoutMs);
    this.rows.push(maxRows);
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

const PLACEMENT = {
  placementId: "p-1",
  model: "digits",
  version: "3",
  limits: { queue: 64, timeoutMs: 2_000, maxBatch: 4 },
};

function setUp({ kind = "edge" as "edge" | "cloud", host = new ScriptedHost(), maxHeldBytes = 1_000_000 } = {}) {
  const clock = new TestClock();
  const worker = new InferenceWorker({ clock, nodeName: "dock-7", nodeKind: kind, maxHeldBytes });
  worker.serve(PLACEMENT, host);
  return { clock, worker, host };
}

const request = (text: string, over: Partial<WorkerRequest> = {}): WorkerRequest => ({
  placementId: "p-1",
  body: new TextEncoder().encode(text),
  headerLength: JSON_BODY,
  deadlineMs: 1_000,
  edgeOnly: false,
  priority: 0,
  cancellation: new Cancellation(),
  ...over,
});

const errorOf = (answer: WorkerResponse): string =>
  (JSON.parse(new TextDecoder().decode(bytesOf(answer))) as { error: string }).error;

const aStream = (length: number | undefined): HostStream =>
  new ResponseStream<HostTrailer>({ length, windowBytes: 1_024, grant: () => undefined });

function doneAndFailed(worker: InferenceWorker): readonly number[] {
  const [load] = worker.load().placements;
  return [load?.done ?? 0, load?.failed ?? 0];
}

describe("InferenceWorker", () => {
  it("leaves nothing of a thousand callers that vanish but the run that is on", async () => {
    const { worker, host } = setUp({ host: new ScriptedHost(100, { turns: true }) });
    worker.serve({ ...PLACEMENT, limits: { ...PLACEMENT.limits, queue: 2_000 } }, host);
    for (let i = 0; i < 10; i += 1) {
      const callers = Array.from({ length: 100 }, () => new Cancellation());
      const answers = callers.map((cancellation) => worker.infer(request("x", { cancellation })));
      expect(host.held).toBeGreaterThan(1);
      for (const caller of callers) caller.cancel();
      await Promise.all(answers);
      await settle();
      expect([worker.inFlight, worker.load().placements[0]?.queued, host.held]).toEqual([0, 0, 1]);
    }
    await host.answer();
    expect(host.held).toBe(0);
  });

  it("counts a large answer as under way until its run is over, not until its slow reader has it", async () => {
    const { worker, host } = setUp();
    const asked = worker.infer(request("large"));
    const stream = aStream(1_000_000);
    await host.answer({ body: stream });
    expect((await asked).body).toBe(stream);
    expect([worker.inFlight, doneAndFailed(worker)]).toEqual([0, [0, 0]]);
    stream.fail("HOST_CRASHED", "gone");
    await settle();
    expect(doneAndFailed(worker)).toEqual([0, 1]);
  });

  it("counts an answer without a length as under way until its end, and takes its time from there", async () => {
    const { worker, host } = setUp();
    const [asked, behind] = [worker.infer(request("made bit by bit")), worker.infer(request("next"))];
    const stream = aStream(undefined);
    await host.answer({ body: stream, computeUs: 0 });
    const answer = await asked;
    expect([worker.inFlight, host.seen]).toEqual([2, ["made bit by bit"]]);
    stream.finish({ computeUs: 10_000, decodeUs: 0, encodeUs: 0 });
    await settle();
    expect(answer.figuresAtEnd?.()).toMatchObject({ placementInFlight: 1, meanUs: 10_000 });
    expect([host.seen.at(-1), doneAndFailed(worker)]).toEqual(["next", [1, 0]]);
    await host.answer();
    await behind;
  });

  it("cancels an answer in pieces that begins when its deadline has passed", async () => {
    const { worker, host, clock } = setUp();
    const asked = worker.infer(request("late"));
    await clock.advance(1_000);
    expect((await asked).code).toBe("DEADLINE_EXCEEDED");
    const stream = aStream(undefined);
    await host.answer({ body: stream });
    expect(await stream.ended).toEqual({ kind: "cancelled" });
    expect(worker.inFlight).toBe(0);
  });

  it("gives new requests to a host that takes over, and waits for the old one's, queued ones too", async () => {
    const { worker, host } = setUp();
    const old = [worker.infer(request("running")), worker.infer(request("waiting"))];
    const next = new ScriptedHost();
    let isEmpty = false;
    const emptied = worker.replace(PLACEMENT, next).then(() => (isEmpty = true));
    const fresh = worker.infer(request("new"));
    expect(worker.inFlight).toBe(3);
    await next.answer();
    expect(await fresh).toMatchObject({ status: 200, nodeInFlight: 2 });
    await host.answer();
    expect(isEmpty).toBe(false);
    await host.answer();
    expect((await Promise.all(old)).map(({ status }) => status)).toEqual([200, 200]);
    await emptied;
    expect([host.seen, next.seen]).toEqual([["running", "waiting"], ["new"]]);
    expect(worker.inFlight).toBe(0);
  });

  it("passes body and answer through unread", async () => {
    const { worker, host } = setUp();
    const answered = worker.infer(request("not even JSON"));
    await host.answer({ body: own(new TextEncoder().encode("nor this")), headerLength: 0, computeUs: 77 });
    const answer = await answered;
    expect(host.seen).toEqual(["not even JSON"]);
    expect(answer).toMatchObject({
      status: 200,
      wasNotExecuted: false,
      headerLength: 0,
      computeUs: 77,
      nodeInFlight: 0,
      placementInFlight: 0,
      slots: 1,
    });
    expect(answer.inHost).toEqual({ decodeUs: 1, runUs: 75, encodeUs: 1, batchSize: 1 });
    expect(new TextDecoder().decode(bytesOf(answer))).toBe("nor this");
  });

  it("gives the host the placement's limit, not the caller's deadline", async () => {
    const { worker, host } = setUp();
    const answered = worker.infer(request("a", { deadlineMs: 5 }));
    await host.answer();
    await answered;
    expect(host.limits).toEqual([2_000]);
  });

  it("runs one request at a time, in the order in which they came", async () => {
    const { worker, host, clock } = setUp();
    const all = [worker.infer(request("a")), worker.infer(request("b")), worker.infer(request("c"))];
    expect(host.seen).toEqual(["a"]);
    await clock.advance(10);
    await host.answer();
    expect(host.seen).toEqual(["a", "b"]);
    await host.answer();
    await host.answer();
    expect((await Promise.all(all)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it("hands a quick model its next request ahead", () => {
    const { worker, host } = setUp({ host: new ScriptedHost(50) });
    void worker.infer(request("a"));
    void worker.infer(request("b"));
    void worker.infer(request("c"));
    expect(host.seen).toEqual(["a", "b"]);
  });

  it("hands over what can share runs: two full ones of a quick model", () => {
    const { worker, host } = setUp({ host: new ScriptedHost(50, { turns: true }) });
    for (let i = 0; i < 12; i += 1) void worker.infer(request(String(i)));
    expect(host.seen).toHaveLength(8);
    expect(new Set(host.rows)).toEqual(new Set([4]));
  });

  it("hands over one request at a time of a model over 50 ms, whether they could share a run or not", () => {
    const { worker, host } = setUp({ host: new ScriptedHost(51_000, { turns: true }) });
    for (const text of ["a", "b", "c"]) void worker.infer(request(text));
    expect(host.seen).toEqual(["a"]);
  });

  it("counts for each request its part of the run that it shared, and the whole run for the slowest", async () => {
    const { worker, host, clock } = setUp({ host: new ScriptedHost(1_000, { turns: true }) });
    const all = ["a", "b", "c", "d"].map((text) => worker.infer(request(text)));
    await clock.advance(8);
    for (let i = 0; i < 4; i += 1) await host.answer({ batchSize: 4 });
    expect(await all[3]).toMatchObject({ meanUs: 2_000, p95Us: 8_000, slots: 1 });
  });

  it("counts as queueing what a request waits in its host for the run before", async () => {
    const { worker, host, clock } = setUp({ host: new ScriptedHost(1_000, { turns: true }) });
    const all = ["a", "b", "c"].map((text) => worker.infer(request(text)));
    await clock.advance(8);
    await host.answer();
    await clock.advance(6);
    await host.answer({ batchSize: 2 });
    await host.answer({ batchSize: 2 });
    expect((await Promise.all(all)).map(({ queueUs }) => queueUs)).toEqual([0, 8_000, 8_000]);
  });

  it("lets requests wait for others as long as is configured, and no longer", async () => {
    const { worker, host, clock } = setUp({ host: new ScriptedHost(1_000, { turns: true }) });
    worker.serve({ ...PLACEMENT, limits: { ...PLACEMENT.limits, maxDelayUs: 5_000 } }, host);
    void worker.infer(request("a"));
    await clock.advance(4);
    void worker.infer(request("b"));
    expect(host.seen).toEqual([]);
    await clock.advance(1);
    expect(host.seen).toEqual(["a", "b"]);
    void worker.infer(request("c"));
    expect(host.seen).toEqual(["a", "b", "c"]);
  });

  it("waits for company no longer than a run is full", () => {
    const { worker, host } = setUp({ host: new ScriptedHost(1_000, { turns: true }) });
    worker.serve({ ...PLACEMENT, limits: { ...PLACEMENT.limits, maxDelayUs: 5_000 } }, host);
    for (const text of ["a", "b", "c", "d"]) void worker.infer(request(text));
    expect(host.seen).toEqual(["a", "b", "c", "d"]);
  });

  it("waits for company no longer than half of the shortest deadline", async () => {
    const { worker, host, clock } = setUp({ host: new ScriptedHost(1_000, { turns: true }) });
    worker.serve({ ...PLACEMENT, limits: { ...PLACEMENT.limits, maxDelayUs: 100_000 } }, host);
    void worker.infer(request("patient"));
    void worker.infer(request("hurried", { deadlineMs: 20 }));
    await clock.advance(10);
    expect(host.seen).toEqual(["patient", "hurried"]);
  });

  it("runs a higher priority first", async () => {
    const { worker, host } = setUp();
    void worker.infer(request("running"));
    void worker.infer(request("low"));
    void worker.infer(request("high", { priority: 5 }));
    await host.answer();
    await host.answer();
    expect(host.seen).toEqual(["running", "high", "low"]);
  });

  it("refuses at once what would be answered too late, with its figures", async () => {
    const { worker } = setUp();
    for (const text of ["a", "b", "c", "d"]) void worker.infer(request(text));
    const answer = await worker.infer(request("e", { deadlineMs: 60 }));
    expect(answer).toMatchObject({
      status: 429,
      code: "QUEUE_FULL",
      wasNotExecuted: true,
      placementInFlight: 4,
      nodeInFlight: 4,
      meanUs: 10_000,
      slots: 1,
    });
    expect(errorOf(answer)).toMatch(
      /^digits:3 on dock-7 has 4 requests in flight and would answer in about 50 ms, too late for the 60 ms/,
    );
  });

  it("takes 32 callers who have the time for a queue of a slow model", async () => {
    const { worker, host } = setUp();
    const answers = Array.from({ length: 32 }, (_, i) => worker.infer(request(`${i}`)));
    for (let i = 0; i < 32; i += 1) await host.answer();
    expect((await Promise.all(answers)).filter(({ status }) => status !== 200)).toEqual([]);
  });

  it("holds no more bytes of bodies than the node may, and takes more when some are answered", async () => {
    const { worker, host } = setUp({ maxHeldBytes: 10 });
    const first = worker.infer(request("12345678"));
    const refused = await worker.infer(request("abc"));
    expect(refused).toMatchObject({ status: 429, code: "QUEUE_FULL", wasNotExecuted: true });
    expect(errorOf(refused)).toContain("SKERRY_BODIES_MIB");
    await host.answer();
    expect(await first).toMatchObject({ status: 200 });
    void worker.infer(request("abc"));
    expect(host.seen).toEqual(["12345678", "abc"]);
  });

  it("refuses a placement that it does not serve", async () => {
    const { worker } = setUp();
    const answer = await worker.infer(request("a", { placementId: "p-9" }));
    expect(answer).toMatchObject({ status: 404, code: "MODEL_NOT_READY", wasNotExecuted: true });
    expect(errorOf(answer)).toContain("placement p-9 is not ready on dock-7");
  });

  it("refuses edge-only requests on a cloud node", async () => {
    const { worker } = setUp({ kind: "cloud" });
    expect(await worker.infer(request("a", { edgeOnly: true }))).toMatchObject({
      status: 403,
      code: "EDGE_ONLY",
      wasNotExecuted: true,
    });
  });

  it("refuses new requests while it drains, and answers those that it has", async () => {
    const { worker, host } = setUp();
    const taken = worker.infer(request("a"));
    const queued = worker.infer(request("b"));
    worker.drain();
    expect(await worker.infer(request("c"))).toMatchObject({ status: 503, code: "DRAINING", wasNotExecuted: true });
    await host.answer();
    await host.answer();
    expect([(await taken).status, (await queued).status]).toEqual([200, 200]);
  });

  it("answers 504 when the time ends in the queue, and does not run the request later", async () => {
    const { worker, host, clock } = setUp();
    void worker.infer(request("a"));
    const late = worker.infer(request("b", { deadlineMs: 100 }));
    await clock.advance(100);
    expect(await late).toMatchObject({
      status: 504,
      code: "DEADLINE_EXCEEDED",
      wasNotExecuted: true,
      queueUs: 100_000,
    });
    await host.answer();
    expect(host.seen).toEqual(["a"]);
  });

  it("drops at its turn what could not finish", async () => {
    const { worker, host, clock } = setUp();
    void worker.infer(request("a"));
    const hopeless = worker.infer(request("b", { deadlineMs: 100 }));
    await clock.advance(95);
    await host.answer();
    expect(await hopeless).toMatchObject({ status: 504, wasNotExecuted: true });
    expect(host.seen).toEqual(["a"]);
  });

  it("answers 504 when the time ends during the run, and keeps the slot until the run ends", async () => {
    const { worker, host, clock } = setUp();
    const late = worker.infer(request("a", { deadlineMs: 100 }));
    await clock.advance(100);
    expect(await late).toMatchObject({ status: 504, wasNotExecuted: false, placementInFlight: 0 });
    void worker.infer(request("b"));
    expect(host.seen).toEqual(["a"]);
    await host.answer();
    expect(host.seen).toEqual(["a", "b"]);
  });

  it("drops the queued request of a caller who went away", async () => {
    const { worker, host } = setUp();
    const caller = new Cancellation();
    void worker.infer(request("a"));
    const gone = worker.infer(request("b", { cancellation: caller }));
    caller.cancel();
    expect(await gone).toMatchObject({ status: 499, code: "CANCELLED", wasNotExecuted: true });
    await host.answer();
    expect(host.seen).toEqual(["a"]);
  });

  it("does not start a request whose caller is gone already", async () => {
    const { worker, host } = setUp();
    const caller = new Cancellation();
    caller.cancel();
    expect(await worker.infer(request("a", { cancellation: caller }))).toMatchObject({ status: 499 });
    expect(host.seen).toEqual([]);
  });

  it("fails the request that ran with the crash, and lets the others go elsewhere", async () => {
    const { worker, host } = setUp({ host: new ScriptedHost(50) });
    const all = ["a", "b"].map((text) => worker.infer(request(text)));
    await host.crash();
    const [ran, waited] = await Promise.all(all);
    expect(ran).toMatchObject({ status: 503, code: "HOST_CRASHED", wasNotExecuted: false });
    expect(waited).toMatchObject({ status: 404, code: "MODEL_NOT_READY", wasNotExecuted: true });
    if (ran) expect(errorOf(ran)).toContain("signal SIGSEGV");
  });

  describe("when a request ends its host", () => {
    it("refuses that one for good and names the limit, and gives the others to the next host", async () => {
      const { worker, host } = setUp();
      const guilty = worker.infer(request("guilty"));
      const other = worker.infer(request("other"));
      await host.overwhelm(1);
      worker.replaceHost("p-1");
      const late = worker.infer(request("late"));
      const answer = await guilty;
      expect(answer).toMatchObject({ status: 413, code: "OUT_OF_MEMORY", wasNotExecuted: false });
      expect(errorOf(answer)).toMatch(/100 MiB of limits\.memMiB of digits:3 on dock-7 \(it held 300 MiB\)/);
      const next = new ScriptedHost();
      worker.serve(PLACEMENT, next);
      await settle();
      await next.answer();
      await next.answer();
      expect([(await other).status, (await late).status]).toEqual([200, 200]);
      expect(next.seen.toSorted()).toEqual(["late", "other"]);
    });

    it("runs each of those that shared the run alone, once, and refuses the one that ends the host again", async () => {
      const { worker, host } = setUp({ host: new ScriptedHost(50, { turns: true }) });
      const all = ["a", "b", "c"].map((text) => worker.infer(request(text)));
      await host.overwhelm(3);
      worker.replaceHost("p-1");
      const second = new ScriptedHost(50, { turns: true });
      worker.serve(PLACEMENT, second);
      await settle();
      expect([second.seen, second.rows]).toEqual([["a"], [1]]);
      await second.answer();
      expect(second.seen).toEqual(["a", "b"]);
      await second.overwhelm(1);
      worker.replaceHost("p-1");
      const third = new ScriptedHost(50, { turns: true });
      worker.serve(PLACEMENT, third);
      await settle();
      await third.answer();
      expect((await Promise.all(all)).map(({ status }) => status)).toEqual([200, 413, 200]);
      expect(third.seen).toEqual(["c"]);
    });

    it("answers at the deadline of a request, and at once when its host will not come", async () => {
      const { worker, host, clock } = setUp();
      void worker.infer(request("guilty"));
      const hurried = worker.infer(request("hurried", { deadlineMs: 100 }));
      const patient = worker.infer(request("patient"));
      await host.overwhelm(1);
      worker.replaceHost("p-1");
      await clock.advance(100);
      expect(await hurried).toMatchObject({ status: 504, wasNotExecuted: true });
      worker.remove("p-1");
      expect(await patient).toMatchObject({ status: 404, code: "MODEL_NOT_READY", wasNotExecuted: true });
      expect(await worker.infer(request("new"))).toMatchObject({ status: 404 });
    });
  });

  it("settles the queue of a removed placement as not started, and its running request by its answer", async () => {
    const { worker, host } = setUp();
    const running = worker.infer(request("a"));
    const queued = worker.infer(request("b"));
    worker.remove("p-1");
    expect(await queued).toMatchObject({ status: 503, code: "DRAINING", wasNotExecuted: true });
    expect(await worker.infer(request("c"))).toMatchObject({ status: 404, wasNotExecuted: true });
    await host.answer();
    expect(await running).toMatchObject({ status: 200 });
    expect(host.seen).toEqual(["a"]);
  });

  it("lets a model that hangs delay no other", async () => {
    const { worker } = setUp();
    const other = new ScriptedHost();
    worker.serve({ ...PLACEMENT, placementId: "p-2", model: "ocr" }, other);
    void worker.infer(request("hangs"));
    const answered = worker.infer(request("runs", { placementId: "p-2" }));
    await other.answer();
    expect(await answered).toMatchObject({ status: 200, nodeInFlight: 1, placementInFlight: 0 });
  });

  it("takes new limits for a host that it has, and keeps its queue", async () => {
    const { worker, host } = setUp();
    void worker.infer(request("a"));
    worker.serve({ ...PLACEMENT, limits: { ...PLACEMENT.limits, queue: 0, timeoutMs: 9_000 } }, host);
    expect(await worker.infer(request("b"))).toMatchObject({ status: 429 });
    expect(worker.load().rif).toBe(1);
  });

  it("sends a running host its new size of a batch with the next request", () => {
    const { worker, host } = setUp({ host: new ScriptedHost(50, { turns: true }) });
    void worker.infer(request("a"));
    worker.serve({ ...PLACEMENT, limits: { ...PLACEMENT.limits, maxBatch: 1 } }, host);
    void worker.infer(request("b"));
    expect(host.rows).toEqual([4, 1]);
  });

  it("reports load, and counts over a restart of the host", async () => {
    const { worker, host, clock } = setUp();
    const runs = [worker.infer(request("a")), worker.infer(request("b"))];
    await clock.advance(8);
    await host.answer();
    await host.answer({ status: 500, code: "RUN_FAILED" });
    await Promise.all(runs);
    worker.remove("p-1");
    const restarted = new ScriptedHost(4_000);
    worker.serve(PLACEMENT, restarted);
    const bad = worker.infer(request("c"));
    void worker.infer(request("d"));
    await restarted.answer({ status: 400, code: "INVALID_REQUEST" });
    await bad;
    expect(worker.load()).toEqual({
      rif: 1,
      placements: [
        { placementId: "p-1", rif: 1, queued: 0, slots: 1, meanUs: 0, p95Us: 0, done: 2, failed: 1, rssMiB: 84 },
      ],
    });
  });

  it("measures service without the wait", async () => {
    const { worker, host, clock } = setUp();
    const first = worker.infer(request("a"));
    const second = worker.infer(request("b"));
    await clock.advance(8);
    await host.answer();
    await clock.advance(8);
    await host.answer();
    expect(await first).toMatchObject({ queueUs: 0, meanUs: 8_000 });
    expect(await second).toMatchObject({ queueUs: 8_000, meanUs: 8_000, p95Us: 8_000 });
  });
});
