import { describe, expect, it } from "@jest/globals";
import { ScriptedHost, PLACEMENT, setUp, request, errorOf } from "./worker-rig.ts";

describe("InferenceWorker, queue and batches", () => {
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

  it("sends a running host its new size of a batch with the next request", () => {
    const { worker, host } = setUp({ host: new ScriptedHost(50, { turns: true }) });
    void worker.infer(request("a"));
    worker.serve({ ...PLACEMENT, limits: { ...PLACEMENT.limits, maxBatch: 1 } }, host);
    void worker.infer(request("b"));
    expect(host.rows).toEqual([4, 1]);
  });
});
