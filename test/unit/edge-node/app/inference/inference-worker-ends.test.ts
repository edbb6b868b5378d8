import { describe, expect, it } from "@jest/globals";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import { settle } from "../../../../support/test-clock.ts";
import { ScriptedHost, PLACEMENT, setUp, request, errorOf, aStream } from "./worker-rig.ts";

describe("InferenceWorker, requests that end early", () => {
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
});
