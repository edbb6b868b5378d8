import { describe, expect, it } from "@jest/globals";
import { InferenceService } from "../../../../control-plane/app/inference-service.ts";
import type { InferenceAnswer, InferenceRequest } from "../../../../control-plane/app/inference-request.ts";
import { NodeSession, SessionRegistry } from "../../../../control-plane/app/node-session.ts";
import { Telemetry } from "../../../../control-plane/app/telemetry.ts";
import type { FleetNode } from "../../../../control-plane/core/fleet/types.ts";
import type { ControlLink, InferenceLink } from "../../../../control-plane/ports.ts";
import { seededRandom } from "../../../../shared/random.ts";
import {
  decodeInferenceFrame,
  INFERENCE_FRAME,
  JSON_BODY,
  type InferenceFrame,
  type ResponseFrame,
} from "../../../../shared/protocol/inference-frame.ts";
import { aDeployment, aNode, aPlacement, aVersion, NOW, TIMINGS } from "../../../support/fleet-builder.ts";
import { fleetOf } from "../../../support/fleet-in-memory.ts";
import { settle, TestClock } from "../../../support/test-clock.ts";

const versions = [aVersion("digits", 1)];
const deployment = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } });
const [a, b] = [aNode("edge-a"), aNode("edge-b")];

/** A node that keeps what it was sent, and answers when the test says so. */
class RecordingNode implements InferenceLink {
  readonly session: NodeSession;
  readonly frames: InferenceFrame[] = [];
  readonly #order: RecordingNode[];

  constructor(node: FleetNode, order: RecordingNode[]) {
    this.#order = order;
    const control: ControlLink = { send: () => 1, close: () => undefined, lastByteAt: () => NOW };
    this.session = new NodeSession({ nodeId: node.id, name: node.name, kind: node.kind, epoch: 1, control, now: NOW });
    this.session.inference = this;
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
    this.session.inference = undefined;
    this.session.pending.loseAll();
  }

  lastByteAt(): number {
    return NOW;
  }

  answer(over: Partial<ResponseFrame> = {}): void {
    const requestId = this.frames.findLast((frame) => frame.type === INFERENCE_FRAME.REQUEST)?.requestId ?? 0;
    const response: ResponseFrame = {
      type: INFERENCE_FRAME.RESPONSE,
      requestId,
      end: true,
      notStarted: false,
      status: 200,
      nodeRif: 0,
      queueUs: 100,
      computeUs: 900,
      bodyLength: 2,
      headerLength: JSON_BODY,
      placementRif: 0,
      meanUs: 900,
      p95Us: 1_000,
      slots: 1,
      meta: {},
      body: new TextEncoder().encode("{}"),
      ...over,
    };
    this.session.pending.settle(requestId, { kind: "answered", response });
  }
}

async function aService() {
  const clock = new TestClock(NOW);
  const fleet = await fleetOf(
    { nodes: [a, b], versions, deployments: [deployment], placements: [aPlacement(a), aPlacement(b)] },
    clock,
  );
  const registry = new SessionRegistry();
  const order: RecordingNode[] = [];
  const nodes = { "edge-a": new RecordingNode(a, order), "edge-b": new RecordingNode(b, order) };
  for (const { session } of Object.values(nodes)) registry.add(session);
  const service = new InferenceService({
    fleet,
    registry,
    telemetry: new Telemetry(),
    timings: TIMINGS,
    clock,
    random: seededRandom(1),
  });
  service.start();
  /** The node that was asked first, and the one that was asked after it. */
  const asked = (): RecordingNode => order[0] ?? fail("no node was asked");
  const other = (): RecordingNode => order[1] ?? fail("no second node was asked");
  return { clock, service, nodes, order, asked, other };
}

function fail(why: string): never {
  throw new Error(why);
}

const request = (over: Partial<InferenceRequest> = {}): InferenceRequest => ({
  model: "digits",
  version: undefined,
  body: new TextEncoder().encode('{"inputs":[]}'),
  headerLength: JSON_BODY,
  timeoutMs: 1_000,
  site: undefined,
  residency: undefined,
  prefer: undefined,
  traceparent: undefined,
  signal: new AbortController().signal,
  ...over,
});

const errorOf = ({ body }: InferenceAnswer): string =>
  (JSON.parse(new TextDecoder().decode(body)) as { error: string }).error;

describe("InferenceService", () => {
  it("forwards the body unchanged and passes the answer on with where and why", async () => {
    const { service, asked } = await aService();
    const pending = service.infer(request({ traceparent: "00-trace" }));
    await settle();
    expect(asked().frames[0]).toMatchObject({
      deadlineMs: 1_000,
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

  it.each([404, 429, 503])(
    "asks one other node when the first refuses with %i without running the model",
    async (status) => {
      const { service, asked, other } = await aService();
      const pending = service.infer(request());
      await settle();
      asked().answer({ status, notStarted: true, meta: { code: "QUEUE_FULL" } });
      await settle();
      other().answer();
      expect(await pending).toMatchObject({ status: 200, route: { reason: "retry", attempt: 2 } });
    },
  );

  it("passes the second refusal on: one retry in all", async () => {
    const { service, asked, other } = await aService();
    const pending = service.infer(request());
    await settle();
    asked().answer({ status: 429, notStarted: true, meta: { code: "QUEUE_FULL" } });
    await settle();
    other().answer({ status: 429, notStarted: true, meta: { code: "QUEUE_FULL" } });
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

  it("answers at the deadline, and tells the node to forget the request", async () => {
    const { clock, service, asked } = await aService();
    const pending = service.infer(request({ timeoutMs: 200 }));
    await settle();
    await clock.advance(400);
    expect(await pending).toMatchObject({ status: 504, code: "DEADLINE_EXCEEDED" });
    expect(asked().frames.at(-1)).toMatchObject({ type: INFERENCE_FRAME.CANCEL });
    expect(service.inFlight()).toBe(0);
  });

  it("tells the node when the caller goes away", async () => {
    const { service, asked } = await aService();
    const caller = new AbortController();
    const pending = service.infer(request({ signal: caller.signal }));
    await settle();
    caller.abort();
    expect(await pending).toMatchObject({ status: 499, code: "CANCELLED" });
    expect(asked().frames.at(-1)).toMatchObject({ type: INFERENCE_FRAME.CANCEL });
  });

  it("asks only the pinned node", async () => {
    const { service, nodes } = await aService();
    const prefer = { kind: "node", name: "edge-b" } as const;
    const pending = service.infer(request({ prefer }));
    await settle();
    expect(nodes["edge-a"].frames).toEqual([]);
    nodes["edge-b"].answer({ status: 429, notStarted: true, meta: { code: "QUEUE_FULL" } });
    expect(await pending).toMatchObject({ status: 429, route: { reason: "pinned" } });
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
});
