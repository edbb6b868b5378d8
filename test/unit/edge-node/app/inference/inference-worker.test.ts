import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { describe, expect, it } from "@jest/globals";
import { settle } from "../../../../support/test-clock.ts";
import { bytesOf } from "../../../../support/models/answer-bytes.ts";
import { ScriptedHost, PLACEMENT, setUp, request, errorOf, aStream, doneAndFailed } from "./worker-rig.ts";

describe("InferenceWorker", () => {
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

  it("learns nothing about a run from an explanation, and counts no fault when its time was too short", async () => {
    const { worker, host } = setUp();
    const ask = async (over: Parameters<typeof host.answer>[0]): Promise<readonly [number, boolean | undefined]> => {
      const asked = worker.infer(request("x"));
      await host.answer(over);
      const { meanUs, isExplained } = await asked;
      return [meanUs, isExplained];
    };
    const [before] = await ask({});
    expect(await ask({ isExplained: true, computeUs: 5_000_000 })).toEqual([before, true]);
    expect(await ask({ isExplained: true, status: 504, code: "DEADLINE_EXCEEDED" })).toEqual([before, true]);
    expect(doneAndFailed(worker)).toEqual([2, 0]);
  });

  it("tells the host that the path asks for an explanation, and how much time is left", async () => {
    const { worker, host } = setUp();
    const asked = worker.infer({ ...request("x"), explain: true, deadlineMs: 700 });
    await host.answer();
    await asked;
    expect(host.explained).toEqual([[true, 700]]);
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

  it("takes new limits for a host that it has, and keeps its queue", async () => {
    const { worker, host } = setUp();
    void worker.infer(request("a"));
    worker.serve({ ...PLACEMENT, limits: { ...PLACEMENT.limits, queue: 0, timeoutMs: 9_000 } }, host);
    expect(await worker.infer(request("b"))).toMatchObject({ status: 429 });
    expect(worker.load().rif).toBe(1);
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
