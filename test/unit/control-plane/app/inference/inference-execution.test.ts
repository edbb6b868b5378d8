import { describe, expect, it } from "@jest/globals";
import type { InferenceRequest } from "../../../../../control-plane/app/inference/inference-request.ts";
import type { FleetNode } from "../../../../../control-plane/core/fleet/types.ts";
import { INFERENCE_FRAME } from "../../../../../shared/protocol/frames/inference-frame.ts";
import { aDeployment, aNode } from "../../../../support/fleet/fleet-builder.ts";
import { settle } from "../../../../support/test-clock.ts";
import { a, b, aService, request } from "./service-rig.ts";

describe("InferenceExecution, retries", () => {
  it.each([404, 429, 503])(
    "asks one other node when the first refuses with %i without running the model",
    async (status) => {
      const { service, asked, other } = await aService();
      const pending = service.infer(request());
      await settle();
      asked().answer({ status, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
      await settle();
      other().answer();
      expect(await pending).toMatchObject({ status: 200, route: { reason: "retry", attempt: 2 } });
    },
  );

  it("passes the second refusal on: one retry in all", async () => {
    const { service, asked, other } = await aService();
    const pending = service.infer(request());
    await settle();
    asked().answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
    await settle();
    other().answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
    expect(await pending).toMatchObject({ status: 429, code: "QUEUE_FULL", retryAfterMs: 1_000 });
  });

  it("does not repeat a request that the model ran on", async () => {
    const { service, asked, order } = await aService();
    const pending = service.infer(request());
    await settle();
    asked().answer({ status: 500, meta: { code: "RUN_FAILED" } });
    expect(await pending).toMatchObject({ status: 500, code: "RUN_FAILED" });
    expect(order).toHaveLength(1);
  });

  it("asks another node when the channel closes with the request inside", async () => {
    const { service, asked, other } = await aService();
    const pending = service.infer(request());
    await settle();
    asked().close();
    await settle();
    other().answer();
    expect(await pending).toMatchObject({ status: 200, route: { reason: "retry" } });
  });

  it("answers NODE_LOST when both nodes went away, and MODEL_NOT_READY when none is left to ask", async () => {
    const { service, nodes } = await aService();
    const pending = service.infer(request());
    await settle();
    for (const node of Object.values(nodes)) {
      node.close();
      await settle();
    }
    expect(await pending).toMatchObject({ status: 503, code: "NODE_LOST" });
    expect(await service.infer(request())).toMatchObject({ status: 503, code: "MODEL_NOT_READY" });
  });

  it("asks another node when the control plane that holds the first one's session has lost it", async () => {
    const { service, asked, other } = await aService();
    const lost = service.infer(request());
    await settle();
    asked().answer({ status: 503, meta: { code: "NODE_LOST" } });
    await settle();
    other().answer();
    expect(await lost).toMatchObject({ status: 200, route: { reason: "retry", attempt: 2 } });
  });

  it("asks another node when a model host ended under the request, but not when the model refused its input", async () => {
    const { service, asked, other } = await aService();
    const crashed = service.infer(request());
    await settle();
    asked().answer({ status: 503, meta: { code: "HOST_CRASHED" } });
    await settle();
    other().answer();
    expect(await crashed).toMatchObject({ status: 200, route: { reason: "retry", attempt: 2 } });
    const refused = await aService();
    const failed = refused.service.infer(request());
    await settle();
    refused.asked().answer({ status: 500, meta: { code: "RUN_FAILED" } });
    expect(await failed).toMatchObject({ status: 500, code: "RUN_FAILED", route: { attempt: 1 } });
  });

  it("asks another node when the first is silent for a second, and cancels the request at the first", async () => {
    const { clock, service, asked, other, inFlight } = await aService();
    const pending = service.infer(request({ timeoutMs: 10_000 }));
    await settle();
    await clock.advance(1_100);
    expect(asked().frames.at(-1)).toMatchObject({ type: INFERENCE_FRAME.CANCEL });
    other().answer();
    expect(await pending).toMatchObject({ status: 200, route: { reason: "retry", attempt: 2 } });
    expect(inFlight()).toBe(0);
  });

  it("does not repeat a long run of a node that still reports, and passes on what the node says of it", async () => {
    const { clock, service, asked, order, telemetry } = await aService();
    const pending = service.infer(request({ timeoutMs: 20_000 }));
    await settle();
    const [frame] = asked().frames;
    const placementId = frame?.type === INFERENCE_FRAME.REQUEST ? frame.meta.placementId : "";
    for (let second = 0; second < 8; second += 1) {
      telemetry.of(placementId).report({ rif: 1, slots: 1, meanUs: 900, p95Us: 1_000 }, clock.now());
      await clock.advance(1_000);
    }
    asked().answer({ status: 422, meta: { code: "RUN_TOO_LONG" } });
    expect(await pending).toMatchObject({
      status: 422,
      code: "RUN_TOO_LONG",
      retryAfterMs: undefined,
      route: { attempt: 1 },
    });
    expect(order).toHaveLength(1);
  });

  it("waits for the only node until the deadline", async () => {
    const { clock, service, asked } = await aService({ fleetNodes: [a] });
    const pending = service.infer(request({ timeoutMs: 10_000 }));
    await settle();
    await clock.advance(5_000);
    asked().answer();
    expect(await pending).toMatchObject({ status: 200, route: { reason: "only", attempt: 1 } });
  });

  it("repeats failures within its budget only; refusals cost none", async () => {
    const { service, telemetry, order, asked, other, clock } = await aService();
    while (telemetry.ofModel("digits").retries.spend());
    const refused = service.infer(request());
    await settle();
    asked().answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
    await settle();
    other().answer();
    expect(await refused).toMatchObject({ status: 200, route: { reason: "retry" } });
    order.length = 0;
    const lost = service.infer(request({ timeoutMs: 10_000 }));
    await settle();
    await clock.advance(3_000);
    expect(order).toHaveLength(1);
    asked().close();
    expect(await lost).toMatchObject({ status: 503, code: "NODE_LOST" });
    expect(order).toHaveLength(1);
  });
});

describe("InferenceExecution, hedges", () => {
  const spec = { name: "digits", model: "digits", version: 1, slo: { p95Ms: 500, hedge: true } } as const;

  /** A service that has seen a hundred answers of 10 ms, and a request that is late. */
  async function aLateRequest(over: Partial<InferenceRequest> = {}, fleetNodes: readonly FleetNode[] = [a, b]) {
    const scene = await aService({ deployment: aDeployment(spec), fleetNodes });
    for (let count = 0; count < 100; count += 1) scene.telemetry.ofModel("digits").answerTimes.add(10);
    const pending = scene.service.infer(request(over));
    await settle();
    await scene.clock.advance(40);
    return { ...scene, pending };
  }

  it("sends a late request to a second node, takes the first answer and cancels the other", async () => {
    const { pending, asked, other, inFlight } = await aLateRequest();
    other().answer();
    expect(await pending).toMatchObject({
      status: 200,
      node: other().session.name,
      route: { reason: "hedge", attempt: 2 },
    });
    expect(asked().frames.at(-1)).toMatchObject({ type: INFERENCE_FRAME.CANCEL });
    await settle();
    expect(inFlight()).toBe(0);
  });

  it("lets the first node win too", async () => {
    const { pending, asked, other, inFlight } = await aLateRequest();
    asked().answer();
    expect(await pending).toMatchObject({ status: 200, node: asked().session.name, route: { attempt: 1 } });
    expect(other().frames.at(-1)).toMatchObject({ type: INFERENCE_FRAME.CANCEL });
    await settle();
    expect(inFlight()).toBe(0);
  });

  it("leaves it to the other when one refuses or is lost, and asks no third", async () => {
    const { pending, asked, other, order } = await aLateRequest({}, [a, b, aNode("edge-c")]);
    other().answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
    await settle();
    asked().close();
    expect(await pending).toMatchObject({ status: 503, code: "NODE_LOST" });
    expect(order).toHaveLength(2);
  });

  it("hedges within its budget, and no pinned requests, explanations and deployments that did not ask for it", async () => {
    const spent = await aService({ deployment: aDeployment(spec) });
    for (let count = 0; count < 100; count += 1) spent.telemetry.ofModel("digits").answerTimes.add(10);
    while (spent.telemetry.ofModel("digits").hedges.spend());
    void spent.service.infer(request());
    await settle();
    await spent.clock.advance(40);
    expect(spent.order).toHaveLength(1);
    const pinned = await aLateRequest({ prefer: { kind: "node", name: "edge-a" } });
    expect(pinned.order).toHaveLength(1);
    const explained = await aLateRequest({ explain: true });
    expect(explained.order).toHaveLength(1);
    const plain = await aService();
    for (let count = 0; count < 100; count += 1) plain.telemetry.ofModel("digits").answerTimes.add(10);
    void plain.service.infer(request());
    await settle();
    await plain.clock.advance(40);
    expect(plain.order).toHaveLength(1);
  });

  it("keeps a hedged edge-only request at the edge", async () => {
    const cloud = aNode("cloud-a", { kind: "cloud" });
    const { named, order } = await aLateRequest({ residency: "edge-only" }, [a, cloud]);
    expect(order).toEqual([named("edge-a")]);
  });
});
