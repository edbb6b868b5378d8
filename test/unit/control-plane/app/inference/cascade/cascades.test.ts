import { describe, expect, it } from "@jest/globals";
import type { z } from "zod";
import type { InferenceRequest } from "../../../../../../control-plane/app/inference/inference-request.ts";
import { InferenceService } from "../../../../../../control-plane/app/inference/inference-service.ts";
import type { NodeStream } from "../../../../../../control-plane/app/inference/pending-requests.ts";
import { Telemetry } from "../../../../../../control-plane/app/inference/telemetry.ts";
import { SessionRegistry } from "../../../../../../control-plane/app/node-sessions/node-session.ts";
import { EvidenceMeter } from "../../../../../../control-plane/app/rollouts/evidence-meter.ts";
import { OPENS_AFTER } from "../../../../../../control-plane/core/cascade/breaker.ts";
import type { NewEvent } from "../../../../../../control-plane/ports/events.ts";
import type { CascadeOutcome } from "../../../../../../control-plane/ports/metrics.ts";
import type { cascadeSpec } from "../../../../../../shared/api/v1/deployments/cascade-spec.ts";
import type { PlacementId } from "../../../../../../shared/base/ids.ts";
import { seededRandom } from "../../../../../../shared/base/random.ts";
import { own } from "../../../../../../shared/bytes/owned-bytes.ts";
import { Cancellation } from "../../../../../../shared/flow/cancellation.ts";
import { ResponseStream } from "../../../../../../shared/inference/response-stream.ts";
import { INFERENCE_FRAME, JSON_BODY } from "../../../../../../shared/protocol/frames/inference-frame.ts";
import type { RequestFrame } from "../../../../../../shared/protocol/frames/request-frame.ts";
import { type TrailersFrame, UNKNOWN_LENGTH } from "../../../../../../shared/protocol/frames/stream-frame.ts";
import type { TextModel } from "../../../../../../shared/text/text-model.ts";
import { aDeployment, aNode, aPlacement, aVersion, NOW } from "../../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../../support/fleet/fleet-in-memory.ts";
import { ownPaths } from "../../../../../support/fleet/own-paths.ts";
import { settle, TestClock } from "../../../../../support/test-clock.ts";
import { RecordingNode, request as tensorRequest } from "../service-rig.ts";

const TEXT = { architecture: "llama" } as unknown as TextModel;
const trailers: TrailersFrame = {
  type: INFERENCE_FRAME.TRAILERS,
  requestId: 1,
  nodeInFlight: 0,
  placementInFlight: 0,
  queueUs: 0,
  computeUs: 0,
  meanUs: 1,
  p95Us: 1,
  slots: 1,
  meta: {},
};

interface Scene {
  /** Default: text. */
  readonly asks?: "tensors";
  readonly cascade?: Partial<z.input<typeof cascadeSpec>>;
  readonly residency?: "any" | "edge-only";
  /** Where the large model is ready, beside the small one's `edge-a`. */
  readonly largeOn?: readonly string[];
  /** Replicas of the large model on cloud nodes. Default: one. */
  readonly largeCloud?: { readonly min: number; readonly max?: number };
}

/** The deployment `small` on `edge-a`, with the deployment `large` behind it. */
async function aCascade(scene: Scene = {}) {
  const { cascade = {}, residency = "any", largeOn = ["cloud-a"], largeCloud = { min: 1 }, asks } = scene;
  const clock = new TestClock(NOW);
  const kindOf = (name: string) => (name.startsWith("edge") ? ("edge" as const) : ("cloud" as const));
  const fleetNodes = ["edge-a", ...largeOn].map((name) => aNode(name, { kind: kindOf(name) }));
  const when = { doubt: { tokens: 4, meanLogprob: -1 }, promptCharacters: 100 };
  const deployments = [
    aDeployment({
      name: "small",
      model: "small",
      version: 1,
      placement: { edge: { min: 1 }, residency },
      cascade: { to: "large", when, ...cascade },
    }),
    aDeployment({ name: "large", model: "big", version: 1, placement: { cloud: largeCloud } }),
  ];
  const placements = fleetNodes.map((node, at) =>
    at === 0
      ? aPlacement(node, { id: "p-small" as PlacementId, deployment: "small", model: "small" })
      : aPlacement(node, { deployment: "large", model: "big" }),
  );
  const versions = ["small", "big"].map((model) => aVersion(model, 1, asks === "tensors" ? {} : { text: TEXT }));
  const fleet = await fleetOf({ nodes: fleetNodes, versions, deployments, placements }, clock);
  const registry = new SessionRegistry();
  const order: RecordingNode[] = [];
  const nodes = fleetNodes.map((node) => new RecordingNode(node, order, clock));
  for (const { session } of nodes) registry.add(session);
  const events: NewEvent[] = [];
  const outcomes: CascadeOutcome[] = [];
  const telemetry = new Telemetry();
  const service = new InferenceService({
    evidence: new EvidenceMeter(),
    fleet,
    paths: ownPaths(registry),
    telemetry,
    awaitedUntil: () => undefined,
    clock,
    random: seededRandom(1),
    recordEvent: (event) => void events.push(event),
    onCascade: (outcome) => void outcomes.push(outcome),
  });
  service.start();
  const [small, large] = nodes;
  if (small === undefined) throw new Error("there is no small model");
  return { clock, service, small, large: large ?? small, nodes, events, outcomes, telemetry };
}

const request = (over: Partial<InferenceRequest> = {}): InferenceRequest => ({
  ...tensorRequest(),
  model: "small",
  asks: "text",
  body: [new TextEncoder().encode('{"openai":"chat"}')],
  timeoutMs: 10_000,
  cascade: { wants: undefined, promptCharacters: 10 },
  ...over,
});

/** Begins to answer the newest request of a node in pieces. */
function begin(node: RecordingNode, meta: { readonly doubtful?: true } = {}): NodeStream {
  const requestId = requestsOf(node).at(-1)?.requestId ?? 0;
  const stream: NodeStream = new ResponseStream({ length: undefined, windowBytes: 65_536, grant: () => undefined });
  const head = { type: INFERENCE_FRAME.RESPONSE_HEAD, requestId, status: 200, headerLength: JSON_BODY } as const;
  node.session.pending.stream(
    requestId,
    { ...head, bodyLength: UNKNOWN_LENGTH, queueUs: 0, computeUs: 0, meta },
    stream,
  );
  return stream;
}

const requestsOf = ({ frames }: RecordingNode): readonly RequestFrame[] =>
  frames.filter((frame) => frame.type === INFERENCE_FRAME.REQUEST);
const isCancelled = ({ frames }: RecordingNode): boolean => frames.some(({ type }) => type === INFERENCE_FRAME.CANCEL);
const bodyOf = (node: RecordingNode): unknown =>
  JSON.parse(new TextDecoder().decode(requestsOf(node).at(-1)?.body ?? new Uint8Array(0)));

describe("a cascade", () => {
  it("has the small model measure its doubt, and takes its answer when it has none", async () => {
    const { service, small, large } = await aCascade();
    const pending = service.infer(request());
    await settle();
    expect(bodyOf(small)).toEqual({ doubt: { tokens: 4, meanLogprob: -1 }, openai: "chat" });
    const stream = begin(small);
    const answer = await pending;
    expect(answer).toMatchObject({ body: stream, modelVersion: "small:1", route: { reason: "only" } });
    expect(answer.route.cascade).toBeUndefined();
    expect(large.frames).toEqual([]);
  });

  it("asks the large model the question itself when the small one is in doubt, and drops that one's answer", async () => {
    const { service, small, large, outcomes } = await aCascade();
    const pending = service.infer(request());
    await settle();
    const held = begin(small, { doubtful: true });
    await settle();
    expect(bodyOf(large)).toEqual({ openai: "chat" });
    expect(isCancelled(small)).toBe(false);
    const stream = begin(large);
    expect(await pending).toMatchObject({
      body: stream,
      node: "cloud-a",
      modelVersion: "big:1",
      route: { reason: "cascade", cascade: { rule: "doubt" } },
    });
    expect(isCancelled(small)).toBe(true);
    expect(await held.ended).toEqual({ kind: "cancelled" });
    expect(outcomes).toEqual([
      { kind: "uploaded", deployment: "small", bytes: 17 },
      { kind: "asked", deployment: "small", rule: "doubt", outcome: "escalated" },
    ]);
  });

  it.each([
    ["header", { cascade: { wants: "large" as const, promptCharacters: 1 } }],
    ["prompt", { cascade: { wants: undefined, promptCharacters: 101 } }],
  ])("asks the large model first by %s, and the small one when that fails", async (rule, over) => {
    const { service, small, large } = await aCascade();
    const pending = service.infer(request(over));
    await settle();
    expect(small.frames).toEqual([]);
    large.answer({ status: 500, meta: { code: "RUN_FAILED" } });
    await settle();
    expect(bodyOf(small)).toEqual({ openai: "chat" });
    small.answer();
    expect(await pending).toMatchObject({
      status: 200,
      node: "edge-a",
      route: { reason: "only", cascade: { rule, closed: "failed" } },
    });
  });

  it("asks the large model when a prompt does not fit the small one's context", async () => {
    const { service, small, large } = await aCascade();
    const pending = service.infer(request());
    await settle();
    small.answer({ status: 400, meta: { code: "CONTEXT_TOO_LONG" } });
    await settle();
    large.answer();
    expect(await pending).toMatchObject({ status: 200, route: { reason: "cascade", cascade: { rule: "prompt" } } });
  });

  it("leaves a request to the small model that asks for it, for a version or for a node", async () => {
    for (const over of [
      { cascade: { wants: "small" as const, promptCharacters: 1_000 } },
      { version: "1", cascade: { wants: "large" as const, promptCharacters: 1 } },
      { prefer: { kind: "node" as const, name: "edge-a" }, cascade: { wants: "large" as const, promptCharacters: 1 } },
    ]) {
      const { service, small, large } = await aCascade();
      const pending = service.infer(request(over));
      await settle();
      expect(bodyOf(small)).toEqual({ openai: "chat" });
      begin(small, { doubtful: true });
      expect((await pending).route.cascade).toBeUndefined();
      expect(large.frames).toEqual([]);
    }
  });

  it.each<[string, Scene, Partial<InferenceRequest>]>([
    ["the request", {}, { residency: "edge-only" }],
    ["the deployment", { residency: "edge-only" }, {}],
  ])("is closed by the residency of %s, says so, and holds nothing back", async (_, scene, over) => {
    const { service, small, large, outcomes } = await aCascade(scene);
    const pending = service.infer(request(over));
    await settle();
    expect(bodyOf(small)).toEqual({ openai: "chat" });
    begin(small);
    expect((await pending).route.cascade).toEqual({ closed: "residency" });
    expect(large.frames).toEqual([]);
    expect(outcomes).toEqual([{ kind: "asked", deployment: "small", rule: undefined, outcome: "residency" }]);
  });

  it("asks a large model at the edge, and no other, for a request that may run at the edge alone", async () => {
    const { service, nodes } = await aCascade({ largeOn: ["cloud-a", "edge-b"], residency: "edge-only" });
    const pending = service.infer(request({ cascade: { wants: "large", promptCharacters: 1 } }));
    await settle();
    nodes[2]?.answer();
    expect(await pending).toMatchObject({ node: "edge-b", route: { reason: "cascade" } });
    expect(nodes[2] && requestsOf(nodes[2])[0]?.edgeOnly).toBe(true);
    expect(nodes[1]?.frames).toEqual([]);
  });

  it("takes the answer that was held back when the large model has not begun in half of the time that is left", async () => {
    const { service, small, large, clock } = await aCascade();
    const pending = service.infer(request());
    await settle();
    const held = begin(small, { doubtful: true });
    await settle();
    expect(requestsOf(large)).toHaveLength(1);
    await clock.advance(5_200);
    expect(await pending).toMatchObject({
      status: 200,
      body: held,
      route: { cascade: { rule: "doubt", closed: "failed" } },
    });
    expect(isCancelled(small)).toBe(false);
  });

  it("asks the small model again when the answer that was held back broke off, and the large one gives none", async () => {
    const { service, small, large } = await aCascade();
    const pending = service.infer(request());
    await settle();
    begin(small, { doubtful: true }).fail("NODE_LOST", "gone");
    await settle();
    large.answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
    await settle();
    expect(bodyOf(small)).toEqual({ openai: "chat" });
    const stream = begin(small);
    expect(await pending).toMatchObject({ body: stream, route: { cascade: { rule: "doubt", closed: "busy" } } });
  });

  it("sends no more bytes to cloud nodes than its upload budget has", async () => {
    const { service, small, large } = await aCascade({ cascade: { uploadBudget: { bytes: 40, seconds: 60 } } });
    const ask = async (): Promise<unknown> => {
      const pending = service.infer(request({ cascade: { wants: "large", promptCharacters: 1 } }));
      await settle();
      if (requestsOf(large).length > requestsOf(small).length + 1) large.answer();
      (requestsOf(small).length > 0 ? small : large).answer();
      return (await pending).route.cascade;
    };
    expect([await ask(), await ask()]).toEqual([{ rule: "header" }, { rule: "header" }]);
    expect(await ask()).toEqual({ rule: "header", closed: "budget" });
    expect(requestsOf(large)).toHaveLength(2);
  });

  it("asks a failing large model no more, says so in events, and asks it again when one answer came", async () => {
    const { service, small, large, events, clock } = await aCascade();
    const ask = async (status: number): Promise<unknown> => {
      const before = requestsOf(large).length;
      const pending = service.infer(request({ cascade: { wants: "large", promptCharacters: 1 } }));
      await settle();
      if (requestsOf(large).length > before)
        large.answer({ status, meta: status === 200 ? {} : { code: "RUN_FAILED" } });
      await settle();
      if (requestsOf(small).length > 0) small.answer();
      return (await pending).route.cascade;
    };
    for (let time = 0; time < OPENS_AFTER; time += 1) expect(await ask(500)).toMatchObject({ closed: "failed" });
    expect(await ask(500)).toEqual({ rule: "header", closed: "breaker" });
    await clock.advance(12_000);
    expect(await ask(200)).toEqual({ rule: "header" });
    expect(events).toMatchObject([
      { type: "Warning", reason: "CascadeOpened", object: "deployment/large" },
      { type: "Normal", reason: "CascadeClosed", object: "deployment/large" },
    ]);
  });

  it("lets no caller take the large model from another, whatever its requests do to it", async () => {
    const { service, small, large, events } = await aCascade();
    const ask = async (caller: string, status: number): Promise<unknown> => {
      const before = requestsOf(large).length;
      const pending = service.infer(request({ caller, cascade: { wants: "large", promptCharacters: 1 } }));
      await settle();
      if (requestsOf(large).length > before)
        large.answer({ status, meta: status === 200 ? {} : { code: "RUN_FAILED" } });
      await settle();
      if (requestsOf(small).length > 0) small.answer();
      return (await pending).route.cascade;
    };
    for (let time = 0; time < OPENS_AFTER; time += 1) await ask("poison", 500);
    expect(await ask("poison", 500)).toEqual({ rule: "header", closed: "breaker" });
    expect(await ask("other", 200)).toEqual({ rule: "header" });
    const spec = { to: "large", when: { promptCharacters: 100 } };
    expect(service.cascadeState("small", spec).breaker).toBe("open");
    for (let time = 0; time < OPENS_AFTER; time += 1) await ask("third", 500);
    expect(await ask("third", 500)).toEqual({ rule: "header", closed: "breaker" });
    expect(events.map(({ reason }) => reason)).toEqual(["CascadeOpened"]);
  });

  it("forgets the breaker of a caller that does not come back", async () => {
    const { service, small, large, clock } = await aCascade();
    for (let time = 0; time < OPENS_AFTER; time += 1) {
      const pending = service.infer(request({ caller: "gone", cascade: { wants: "large", promptCharacters: 1 } }));
      await settle();
      large.answer({ status: 500, meta: { code: "RUN_FAILED" } });
      await settle();
      small.answer();
      await pending;
    }
    const state = (): string => service.cascadeState("small", { to: "large", when: { promptCharacters: 100 } }).breaker;
    expect(state()).toBe("open");
    await clock.advance(13_000);
    expect(state()).toBe("trying");
    await clock.advance(700_000);
    expect(state()).toBe("closed");
  });

  it("does not blame the large model for a full queue", async () => {
    const { service, small, large, events } = await aCascade();
    for (let time = 0; time <= OPENS_AFTER; time += 1) {
      const pending = service.infer(request({ cascade: { wants: "large", promptCharacters: 1 } }));
      await settle();
      large.answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
      await settle();
      small.answer();
      expect((await pending).route.cascade).toEqual({ rule: "header", closed: "busy" });
    }
    expect(events).toEqual([]);
  });

  it.each([
    ["large", undefined],
    ["small", 0],
  ] as const)(
    "learns how long the small model takes of requests that ask it alone: %s",
    async (wants, hedgeAfterMs) => {
      const { service, small, large, telemetry } = await aCascade();
      for (let time = 0; time < 100; time += 1) {
        const pending = service.infer(request({ cascade: { wants, promptCharacters: 1 } }));
        await settle();
        if (wants === "large") large.answer({ status: 429, wasNotExecuted: true, meta: { code: "QUEUE_FULL" } });
        await settle();
        small.answer();
        expect((await pending).status).toBe(200);
      }
      expect(telemetry.ofModel("small").answerTimes.hedgeAfterMs).toBe(hedgeAfterMs);
    },
  );

  it("counts an answer of the large model that breaks off as its failure", async () => {
    const { service, large, events } = await aCascade();
    for (let time = 0; time < OPENS_AFTER; time += 1) {
      const pending = service.infer(request({ cascade: { wants: "large", promptCharacters: 1 } }));
      await settle();
      begin(large);
      await pending;
      large.session.pending.streamEnded(requestsOf(large).at(-1)?.requestId ?? 0)?.fail("NODE_LOST", "gone");
      await settle();
    }
    expect(events.map(({ reason }) => reason)).toEqual(["CascadeOpened"]);
  });

  it("answers from the small model while there is no large one", async () => {
    const { service, small } = await aCascade({ largeOn: [] });
    const pending = service.infer(request({ cascade: { wants: "large", promptCharacters: 1 } }));
    await settle();
    small.answer();
    expect((await pending).route.cascade).toEqual({ rule: "header", closed: "unavailable" });
  });

  it.each<[string, Scene, Partial<InferenceRequest>, readonly string[]]>([
    ["may be in doubt", {}, {}, ["small", "large"]],
    ["ask for it", {}, { cascade: { wants: "large", promptCharacters: 1 } }, ["small", "large"]],
    ["ask for the small one", {}, { cascade: { wants: "small", promptCharacters: 1 } }, ["small"]],
    ["may not leave the edge", {}, { residency: "edge-only" }, ["small"]],
    ["are of a deployment that may not", { residency: "edge-only" }, {}, ["small"]],
  ])(
    "brings a large model without replicas its first one by requests that %s, or not",
    async (_, scene, over, asked) => {
      const { service, small } = await aCascade({ ...scene, largeOn: [], largeCloud: { min: 0, max: 1 } });
      const pending = service.infer(request(over));
      await settle();
      small.answer();
      await pending;
      expect([...service.demands().keys()].toSorted()).toEqual([...asked].toSorted());
    },
  );

  it("brings no replica by requests for which the upload budget is spent", async () => {
    const { service, small, clock } = await aCascade({
      cascade: { uploadBudget: { bytes: 1, seconds: 60 } },
      largeCloud: { min: 0, max: 1 },
    });
    const pending = service.infer(request({ cascade: { wants: "large", promptCharacters: 1 } }));
    await settle();
    await clock.advance(1);
    small.answer();
    expect((await pending).route.cascade).toEqual({ rule: "header", closed: "budget" });
    expect([...service.demands().keys()]).toEqual(["small"]);
  });

  it("drops both answers when the caller goes away while the large model is asked", async () => {
    const { service, small, large } = await aCascade();
    const cancellation = new Cancellation();
    const pending = service.infer(request({ cancellation }));
    await settle();
    begin(small, { doubtful: true });
    await settle();
    cancellation.cancel();
    expect(await pending).toMatchObject({ code: "CANCELLED" });
    expect([isCancelled(small), isCancelled(large)]).toEqual([true, true]);
  });

  it("leaves a whole answer of the large model to the caller", async () => {
    const { service, small, large } = await aCascade();
    const pending = service.infer(request());
    await settle();
    begin(small, { doubtful: true });
    await settle();
    const stream = begin(large);
    stream.finish(trailers);
    const { body } = await pending;
    expect("ended" in body && (await body.ended)).toEqual({ kind: "complete", trailer: trailers });
  });
});

describe("a cascade of tensors", () => {
  const answer = { measure: "margin", threshold: 0.4 } as const;
  const ofTensors = (scene: Scene = {}) => aCascade({ ...scene, asks: "tensors", cascade: { when: { answer } } });
  const ask = (over: Partial<InferenceRequest> = {}): InferenceRequest => {
    const { asks: _asks, ...tensors } = request({ cascade: { wants: undefined, promptCharacters: 0 }, ...over });
    return tensors;
  };
  const scores = (...data: readonly number[]) => {
    const outputs = [{ name: "y", datatype: "FP32", shape: [1, data.length], data }];
    return { body: own(Buffer.from(JSON.stringify({ model_name: "m", model_version: "1", outputs }))) };
  };

  it("measures the small model's answer, which is the caller's while it is in no doubt", async () => {
    const { service, small, large, outcomes } = await ofTensors();
    const asked = service.infer(ask());
    await settle();
    expect(small.frames).toMatchObject([{ meta: { doubt: answer } }]);
    small.answer(scores(0.9, 0.1));
    expect(await asked).toMatchObject({ status: 200, modelVersion: "small:1" });
    expect([large.frames, outcomes]).toEqual([[], []]);
  });

  it("sends the same body to the large model when it is in doubt, and counts whether both decide alike", async () => {
    const { service, small, large, outcomes } = await ofTensors();
    for (const [first, agrees] of [
      [0.1, true],
      [0.9, false],
    ] as const) {
      const asked = service.infer(ask());
      await settle();
      small.answer({ ...scores(0.4, 0.6), meta: { doubtful: true } });
      await settle();
      const sent = large.frames.at(-1);
      expect(sent).toMatchObject({ body: (small.frames.at(-1) as RequestFrame).body });
      large.answer(scores(first, 1 - first));
      expect(await asked).toMatchObject({
        modelVersion: "big:1",
        route: { reason: "cascade", cascade: { rule: "doubt" } },
      });
      expect(outcomes.filter(({ kind }) => kind === "compared").at(-1)).toMatchObject({ agrees });
    }
    const { counted } = service.cascadeState("small", { to: "large", when: { answer } });
    expect(counted).toEqual({ requests: 2, escalated: 2, compared: 2, agreed: 1 });
  });

  it("answers from the small model when the large one fails, or the request may not leave the edge", async () => {
    const { service, small, large } = await ofTensors();
    const asked = service.infer(ask());
    await settle();
    small.answer({ ...scores(0.4, 0.6), meta: { doubtful: true } });
    await settle();
    large.answer({ status: 500, meta: { code: "RUN_FAILED" } });
    expect(await asked).toMatchObject({
      status: 200,
      modelVersion: "small:1",
      route: { cascade: { closed: "failed" } },
    });
    const kept = service.infer(ask({ residency: "edge-only" }));
    await settle();
    small.answer({ ...scores(0.4, 0.6), meta: { doubtful: true } });
    expect(await kept).toMatchObject({ modelVersion: "small:1", route: { cascade: { closed: "residency" } } });
    expect(large.frames).toHaveLength(1);
  });

  it("asks for no doubt where an explanation, a node or the small model is asked for", async () => {
    const { service, small } = await ofTensors();
    for (const over of [
      { explain: true },
      { prefer: { kind: "node", name: "edge-a" } },
      { cascade: { wants: "small", promptCharacters: 0 } },
    ] as const) {
      const asked = service.infer(ask(over));
      await settle();
      expect((small.frames.at(-1) as RequestFrame).meta).not.toHaveProperty("doubt");
      small.answer({ ...scores(0.4, 0.6), meta: { explained: true } });
      await asked;
    }
  });
});
