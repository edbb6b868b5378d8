import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { bodyBytes, type InferenceResponse } from "../../../../../control-plane/app/inference/inference-request.ts";
import { ResponseReceiver } from "../../../../../control-plane/app/inference/response-receiver.ts";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import { INFERENCE_FRAME } from "../../../../../shared/protocol/frames/inference-frame.ts";
import { UNKNOWN_LENGTH } from "../../../../../shared/protocol/frames/stream-frame.ts";
import { aDeployment, aNode, aPlacement, NOW } from "../../../../support/fleet/fleet-builder.ts";
import { settle } from "../../../../support/test-clock.ts";
import { a, aService, request, errorOf } from "./service-rig.ts";

describe("InferenceService", () => {
  it("forwards the body unchanged and passes the answer on with where and why", async () => {
    const { service, asked } = await aService();
    const pending = service.infer(request({ traceparent: "00-trace" }));
    await settle();
    expect(asked().frames[0]).toMatchObject({
      deadlineMs: 999, // the round trip takes 1 ms
      meta: { placementId: expect.any(String), traceparent: "00-trace" },
    });
    asked().answer();
    const answer = await pending;
    expect(answer).toMatchObject({
      status: 200,
      modelVersion: "digits:1",
      code: undefined,
      timing: { queueMs: 0.1, inferMs: 0.9 },
    });
    expect(answer.route).toMatchObject({ reason: "near-tie", candidates: 2, attempt: 1 });
  });

  /** A service that has just started: its nodes are away, and come back with `bringBack`. */
  const aRestartedService = async (awaitedUntil: () => number | undefined) => {
    const scene = await aService({ awaitedUntil });
    const sessions = scene.registry.all();
    for (const session of sessions) scene.registry.remove(session);
    return { ...scene, bringBack: () => sessions.forEach((session) => scene.registry.add(session)) };
  };

  it("keeps a request that comes before the nodes are back from a restart, and sends it when they are", async () => {
    const { service, bringBack, order, asked, clock } = await aRestartedService(() => NOW + 10_000);
    const pending = service.infer(request());
    await clock.advance(500);
    expect(order).toEqual([]);
    bringBack();
    await clock.advance(50);
    await settle();
    expect(asked().frames[0]).toMatchObject({ deadlineMs: 449 });
    asked().answer();
    expect(await pending).toMatchObject({ status: 200, timing: { routeMs: 550 } });
  });

  it("refuses a request whose nodes are not awaited, or no longer, or not within its time", async () => {
    let awaitedUntil: number | undefined;
    const { service, clock } = await aRestartedService(() => awaitedUntil);
    expect(await service.infer(request())).toMatchObject({ code: "MODEL_NOT_READY" });
    awaitedUntil = NOW + 500;
    const [short, long] = [service.infer(request({ timeoutMs: 100 })), service.infer(request())];
    await clock.advance(100);
    expect(await short).toMatchObject({ code: "MODEL_NOT_READY" });
    await clock.advance(400);
    expect(await long).toMatchObject({ code: "MODEL_NOT_READY" });
  });

  it("answers at the deadline, and cancels the request at the node", async () => {
    const { clock, service, asked } = await aService();
    const pending = service.infer(request({ timeoutMs: 200 }));
    await settle();
    await clock.advance(400);
    expect(await pending).toMatchObject({ status: 504, code: "DEADLINE_EXCEEDED" });
    expect(asked().frames.at(-1)).toMatchObject({ type: INFERENCE_FRAME.CANCEL });
    expect(service.inFlight()).toBe(0);
  });

  it("answers at the deadline also when the node's session ended and its requests were given their grace", async () => {
    const { clock, service, registry, asked } = await aService();
    const pending = service.infer(request({ timeoutMs: 200 }));
    await settle();
    registry.remove(asked().session);
    expect(service.inFlight()).toBe(1);
    await clock.advance(400);
    expect(await pending).toMatchObject({ status: 504, code: "DEADLINE_EXCEEDED" });
    expect(registry.withRequests()).toEqual([]);
  });

  it("cancels at the node when the caller goes away", async () => {
    const { service, asked } = await aService();
    const caller = new Cancellation();
    const pending = service.infer(request({ cancellation: caller }));
    await settle();
    caller.cancel();
    expect(await pending).toMatchObject({ status: 499, code: "CANCELLED" });
    expect(asked().frames.at(-1)).toMatchObject({ type: INFERENCE_FRAME.CANCEL });
  });

  it("asks only the pinned node", async () => {
    const { service, named, order } = await aService();
    const prefer = { kind: "node", name: "edge-b" } as const;
    const answered = service.infer(request({ prefer }));
    await settle();
    named("edge-b").answer();
    expect(await answered).toMatchObject({ status: 200, route: { reason: "pinned", etaMs: undefined } });
    const full = service.infer(request({ prefer }));
    await settle();
    named("edge-b").answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
    expect(await full).toMatchObject({ status: 429, route: { reason: "busy" } });
    expect(order).toEqual([named("edge-b")]);
    expect(errorOf(await service.infer(request({ prefer: { kind: "node", name: "edge-z" } })))).toContain(
      "no ready placement on edge-z",
    );
  });

  it("says what is unknown, and what to do about it", async () => {
    const { service } = await aService();
    const answer = await service.infer(request({ model: "ocr" }));
    expect(answer).toMatchObject({ status: 404, code: "NOT_FOUND" });
    expect(errorOf(answer)).toContain("model ocr is not known here");
    expect(await service.infer(request({ version: "9" }))).toMatchObject({ status: 404 });
  });

  it("refuses new requests while it drains", async () => {
    const { service } = await aService();
    service.drain();
    expect(await service.infer(request())).toMatchObject({ status: 503, code: "DRAINING" });
  });

  it("says `busy` for two full queues, and answers 503 where a placement said that it is not ready", async () => {
    const { service, asked, other } = await aService();
    const full = service.infer(request());
    await settle();
    asked().answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
    await settle();
    other().answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
    expect(await full).toMatchObject({ status: 429, route: { reason: "busy", attempt: 2 } });
    const unready = service.infer(request({ prefer: { kind: "node", name: "edge-a" } }));
    await settle();
    asked().answer({ status: 404, wasNotExecuted: true, meta: { code: "MODEL_NOT_READY" } });
    other().answer({ status: 404, wasNotExecuted: true, meta: { code: "MODEL_NOT_READY" } });
    expect(await unready).toMatchObject({ status: 503, code: "MODEL_NOT_READY", route: { reason: "none-ready" } });
  });

  it("sees a channel that opens at once when there was none", async () => {
    const { service, named } = await aService({ fleetNodes: [a] });
    named("edge-a").close();
    expect(await service.infer(request())).toMatchObject({ code: "MODEL_NOT_READY" });
    named("edge-a").session.attachInference(named("edge-a"));
    const pending = service.infer(request());
    await settle();
    named("edge-a").answer();
    expect(await pending).toMatchObject({ status: 200 });
  });

  it("takes the deployment's own deadline when the caller names none", async () => {
    const spec = { name: "digits", model: "digits", version: 1, limits: { timeoutMs: 700 } } as const;
    const { service, asked } = await aService({ deployment: aDeployment(spec) });
    void service.infer(request({ timeoutMs: undefined }));
    await settle();
    expect(asked().frames[0]).toMatchObject({ deadlineMs: 699 });
  });

  it("passes a request that needs too much memory on as an error that no other try mends", async () => {
    const { service, asked, order, telemetry } = await aService();
    const pending = service.infer(request());
    await settle();
    asked().answer({ status: 413, meta: { code: "OUT_OF_MEMORY" } });
    expect(await pending).toMatchObject({ status: 413, code: "OUT_OF_MEMORY", retryAfterMs: undefined });
    expect(order).toHaveLength(1);
    expect(telemetry.ofModel("digits").retries.hasCredit).toBe(true);
  });

  it("does not blame a placement for a deadline that nobody could meet", async () => {
    const { service, asked, telemetry } = await aService({ fleetNodes: [a] });
    for (let count = 0; count < 6; count += 1) {
      const pending = service.infer(request({ timeoutMs: 20 }));
      await settle();
      asked().answer({ status: 504, meta: { code: "DEADLINE_EXCEEDED" } });
      expect(await pending).toMatchObject({ status: 504 });
    }
    expect(telemetry.of("p-edge-a").isEjected(NOW)).toBe(false);
    expect(telemetry.of("p-edge-a").penaltyMs(NOW)).toBe(0);
  });

  it("asks for an explanation in the frame, learns no answer's time from it, and blames no placement for its deadline", async () => {
    const { service, asked, telemetry } = await aService({ fleetNodes: [a] });
    const answered = async (over: Parameters<ReturnType<typeof asked>["answer"]>[0]): Promise<InferenceResponse> => {
      const pending = service.infer(request({ explain: true }));
      await settle();
      expect(asked().frames.at(-1)).toMatchObject({ meta: { explain: true } });
      asked().answer(over);
      return pending;
    };
    expect(await answered({ meta: { explained: true } })).toMatchObject({ status: 200, isExplained: true });
    for (let count = 0; count < 6; count += 1)
      await answered({ status: 504, meta: { code: "DEADLINE_EXCEEDED", explained: true } });
    expect(telemetry.of("p-edge-a").isEjected(NOW)).toBe(false);
    expect(telemetry.of("p-edge-a").penaltyMs(NOW)).toBe(0);
  });

  it("says that a node whose program is older has no explanations, in place of an answer without one", async () => {
    const { service, asked } = await aService({ fleetNodes: [a] });
    const pending = service.infer(request({ explain: true }));
    await settle();
    asked().answer();
    expect(await pending).toMatchObject({ status: 501, code: "NOT_SERVED", node: "edge-a" });
  });

  it("answers from the cheapest that meets the SLO, and elsewhere when the caller prefers", async () => {
    const cloud = aNode("cloud-a", { kind: "cloud" });
    const spec = { name: "digits", model: "digits", version: 1, slo: { p95Ms: 100 } } as const;
    const { service, named } = await aService({ deployment: aDeployment(spec), fleetNodes: [a, cloud] });
    const cheap = service.infer(request());
    await settle();
    named("edge-a").answer();
    expect(await cheap).toMatchObject({ status: 200, node: "edge-a", route: { reason: "cheapest" } });
    const wished = service.infer(request({ prefer: { kind: "cloud" } }));
    await settle();
    named("cloud-a").answer();
    expect(await wished).toMatchObject({ status: 200, node: "cloud-a", route: { reason: "preferred" } });
  });
});

describe("InferenceService, residency", () => {
  const cloud = aNode("cloud-a", { kind: "cloud" });

  it("keeps an edge-only request at the edge, on the retry too", async () => {
    const { service, asked, named } = await aService({ fleetNodes: [a, cloud] });
    const pending = service.infer(request({ residency: "edge-only" }));
    await settle();
    expect(asked()).toBe(named("edge-a"));
    asked().answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
    expect(await pending).toMatchObject({ status: 429, node: "edge-a" });
    expect(named("cloud-a").frames).toEqual([]);
  });

  it("sends nodes that a deployment is edge-only, so that they check it too", async () => {
    const spec = {
      name: "digits",
      model: "digits",
      version: 1,
      placement: { residency: "edge-only", edge: { min: 1 } },
    } as const;
    const { service, asked } = await aService({ deployment: aDeployment(spec) });
    void service.infer(request());
    await settle();
    expect(asked().frames[0]).toMatchObject({ edgeOnly: true });
  });

  it("refuses an edge-only request when only cloud nodes are ready", async () => {
    const { service } = await aService({ fleetNodes: [cloud] });
    expect(await service.infer(request({ residency: "edge-only" }))).toMatchObject({
      status: 503,
      code: "RESIDENCY_UNSATISFIABLE",
    });
  });

  it("refuses it for that too while the edge nodes that hold the model are away", async () => {
    const { service, registry, named } = await aService({ fleetNodes: [a, cloud] });
    registry.remove(named("edge-a").session);
    expect(await service.infer(request({ residency: "edge-only" }))).toMatchObject({
      status: 503,
      code: "RESIDENCY_UNSATISFIABLE",
    });
    expect(named("cloud-a").frames).toEqual([]);
  });

  it("refuses every request of an edge-only deployment for that while its edge nodes are away", async () => {
    const spec = {
      name: "digits",
      model: "digits",
      version: 1,
      placement: { residency: "edge-only", edge: { min: 1 } },
    } as const;
    const { service, registry, named } = await aService({ fleetNodes: [a], deployment: aDeployment(spec) });
    registry.remove(named("edge-a").session);
    expect(await service.infer(request())).toMatchObject({ status: 503, code: "RESIDENCY_UNSATISFIABLE" });
    const pinned = request({ prefer: { kind: "node", name: "edge-a" } });
    expect(await service.infer(pinned)).toMatchObject({ status: 503, code: "MODEL_NOT_READY" });
  });

  it("says that a model is not ready while the edge nodes of a deployment of any residency are away", async () => {
    const { service, registry, named } = await aService({ fleetNodes: [a] });
    registry.remove(named("edge-a").session);
    expect(await service.infer(request())).toMatchObject({ status: 503, code: "MODEL_NOT_READY" });
  });

  it("learns from the usage of an answer how quick its placement is", async () => {
    const { service, asked, clock, telemetry } = await aService({ fleetNodes: [a] });
    const pending = service.infer(request());
    await settle();
    const { session, frames } = asked();
    const requestId = frames[0]?.requestId ?? 0;
    const receiver = new ResponseReceiver(session.pending, asked());
    const times = { queueUs: 100_000, computeUs: 0 };
    await clock.advance(500);
    const head = { status: 200, headerLength: 0, bodyLength: UNKNOWN_LENGTH, meta: {} };
    receiver.onFrame({ type: INFERENCE_FRAME.RESPONSE_HEAD, requestId, ...times, ...head });
    expect((await pending).status).toBe(200);
    await clock.advance(190);
    const load = { nodeInFlight: 0, placementInFlight: 0, meanUs: 0, p95Us: 0, slots: 1 };
    const meta = { usage: { promptTokens: 100, cachedTokens: 0, outputTokens: 20 } };
    receiver.onFrame({ type: INFERENCE_FRAME.TRAILERS, requestId, ...times, ...load, meta });
    await settle();
    const { pace } = telemetry.of(aPlacement(a).id);
    // Without the queue of 100 ms and the round trip of 1 ms.
    expect(pace.firstMs(bodyBytes(request()))).toBeCloseTo(399, 6);
    expect(pace.restMs).toBeCloseTo(190, 6);
  });
});

describe("InferenceService, law", () => {
  it("counts nothing in flight once all have ended, however they ended", async () => {
    const end = fc.constantFrom("answer", "full", "fault", "abort", "silence");
    const spec = { name: "digits", model: "digits", version: 1, slo: { p95Ms: 500, hedge: true } } as const;
    await fc.assert(
      fc.asyncProperty(fc.array(end, { minLength: 1, maxLength: 12 }), async (ends) => {
        const { service, clock, order, inFlight, telemetry } = await aService({ deployment: aDeployment(spec) });
        for (let count = 0; count < 100; count += 1) telemetry.ofModel("digits").answerTimes.add(10);
        for (const how of ends) {
          const caller = new Cancellation();
          const pending = service.infer(request({ cancellation: caller }));
          await settle();
          const [first] = order.splice(0, order.length);
          if (how === "answer") first?.answer();
          if (how === "full") first?.answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
          if (how === "fault") first?.answer({ status: 500, meta: { code: "RUN_FAILED" } });
          if (how === "abort") caller.cancel();
          await clock.advance(2_000);
          await pending;
        }
        await settle();
        expect(inFlight()).toBe(0);
        expect(service.inFlight()).toBe(0);
      }),
      { numRuns: 30 },
    );
  });
});
