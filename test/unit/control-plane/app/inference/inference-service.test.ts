import type { Owned } from "../../../../../shared/protocol/frames/body-assembly.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { InferenceService } from "../../../../../control-plane/app/inference/inference-service.ts";
import type {
  InferenceResponse,
  InferenceRequest,
} from "../../../../../control-plane/app/inference/inference-request.ts";
import { type NodeSession, SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import { Telemetry } from "../../../../../control-plane/app/inference/telemetry.ts";
import type { FleetDeployment, FleetNode } from "../../../../../control-plane/core/fleet/types.ts";
import type { ControlChannel, InferenceChannel } from "../../../../../control-plane/ports/channels.ts";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import {
  decodeInferenceFrame,
  INFERENCE_FRAME,
  JSON_BODY,
  type InferenceFrame,
  type ResponseFrame,
} from "../../../../../shared/protocol/frames/inference-frame.ts";
import { aDeployment, aNode, aPlacement, aVersion, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const versions = [aVersion("digits", 1)];
const deployment = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } });
const [a, b] = [aNode("edge-a"), aNode("edge-b")];

/** A node that keeps what it was sent, and answers when the test says so. */
class RecordingNode implements InferenceChannel {
  readonly session: NodeSession;
  readonly frames: InferenceFrame[] = [];
  readonly #order: RecordingNode[];

  constructor(node: FleetNode, order: RecordingNode[], clock: TestClock) {
    this.#order = order;
    const control: ControlChannel = {
      send: () => 1,
      close: () => undefined,
      lastByteAt: () => NOW,
      ping: () => undefined,
    };
    this.session = aSession(node, { control, clock });
    this.session.attachInference(this);
  }

  send(messages: readonly Uint8Array[]): boolean {
    if (!this.#order.includes(this)) this.#order.push(this);
    for (const message of messages) {
      const frame = decodeInferenceFrame(message);
      if (frame) this.frames.push(frame);
    }
    return true;
  }

  close(): void {
    this.session.detachInference(this);
  }

  lastByteAt(): number {
    return NOW;
  }

  answer(over: Partial<Owned<ResponseFrame>> = {}): void {
    const requestId = this.frames.findLast((frame) => frame.type === INFERENCE_FRAME.REQUEST)?.requestId ?? 0;
    const response = {
      type: INFERENCE_FRAME.RESPONSE,
      requestId,
      end: true,
      wasNotExecuted: false,
      status: 200,
      nodeInFlight: 0,
      queueUs: 100,
      computeUs: 900,
      bodyLength: 2,
      headerLength: JSON_BODY,
      placementInFlight: 0,
      meanUs: 900,
      p95Us: 1_000,
      slots: 1,
      meta: {},
      body: own(new TextEncoder().encode("{}")),
      ...over,
    };
    this.session.pending.settle(requestId, { kind: "answered", response });
  }
}

interface Scene {
  readonly deployment?: FleetDeployment;
  /** `edge-a` and `edge-b` unless given. */
  readonly fleetNodes?: readonly FleetNode[];
  /** Until when nodes that are away may be on their way back, in ms. */
  readonly awaitedUntil?: () => number | undefined;
}

async function aService({
  deployment: declared = deployment,
  fleetNodes = [a, b],
  awaitedUntil = () => undefined,
}: Scene = {}) {
  const clock = new TestClock(NOW);
  const placements = fleetNodes.map((node) => aPlacement(node));
  const fleet = await fleetOf({ nodes: fleetNodes, versions, deployments: [declared], placements }, clock);
  const registry = new SessionRegistry();
  const telemetry = new Telemetry();
  const order: RecordingNode[] = [];
  const nodes = Object.fromEntries(fleetNodes.map((node) => [node.name, new RecordingNode(node, order, clock)]));
  for (const { session } of Object.values(nodes)) registry.add(session);
  const service = new InferenceService({
    fleet,
    registry,
    telemetry,
    timings: TIMINGS,
    awaitedUntil,
    clock,
    random: seededRandom(1),
  });
  service.start();
  /** The node that was asked first, and the one that was asked after it. */
  const asked = (): RecordingNode => order[0] ?? fail("no node was asked");
  const other = (): RecordingNode => order[1] ?? fail("no second node was asked");
  const named = (name: string): RecordingNode => nodes[name] ?? fail(`there is no ${name}`);
  /** Requests that the router believes to be at the nodes. */
  const inFlight = (): number => placements.reduce((sum, { id }) => sum + telemetry.of(id).inFlight, 0);
  return { clock, service, registry, nodes, named, order, asked, other, inFlight, telemetry };
}

function fail(why: string): never {
  throw new Error(why);
}

const request = (over: Partial<InferenceRequest> = {}): InferenceRequest => ({
  model: "digits",
  version: undefined,
  body: [new TextEncoder().encode('{"inputs'), new TextEncoder().encode('":[]}')],
  headerLength: JSON_BODY,
  timeoutMs: 1_000,
  site: undefined,
  residency: undefined,
  prefer: undefined,
  traceparent: undefined,
  cancellation: new Cancellation(),
  ...over,
});

const errorOf = ({ body }: InferenceResponse): string =>
  (JSON.parse(body instanceof Uint8Array ? new TextDecoder().decode(body) : "") as { error: string }).error;

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

  it("passes a request that needs too much memory on as an error that no other try mends", async () => {
    const { service, asked, order, telemetry } = await aService();
    const pending = service.infer(request());
    await settle();
    asked().answer({ status: 413, meta: { code: "OUT_OF_MEMORY" } });
    expect(await pending).toMatchObject({ status: 413, code: "OUT_OF_MEMORY", retryAfterMs: undefined });
    expect(order).toHaveLength(1);
    expect(telemetry.ofModel("digits").retries.hasCredit).toBe(true);
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
});

describe("InferenceService, hedging", () => {
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

  it("hedges within its budget, and neither pinned requests nor deployments that did not ask for it", async () => {
    const spent = await aService({ deployment: aDeployment(spec) });
    for (let count = 0; count < 100; count += 1) spent.telemetry.ofModel("digits").answerTimes.add(10);
    while (spent.telemetry.ofModel("digits").hedges.spend());
    void spent.service.infer(request());
    await settle();
    await spent.clock.advance(40);
    expect(spent.order).toHaveLength(1);
    const pinned = await aLateRequest({ prefer: { kind: "node", name: "edge-a" } });
    expect(pinned.order).toHaveLength(1);
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
