import { beforeEach, describe, expect, it } from "@jest/globals";
import { SessionRegistry, type NodeSession } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import { PeerRequests } from "../../../../../control-plane/app/peers/peer-requests.ts";
import type { PeerResponder } from "../../../../../control-plane/ports/nodes/peers.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import {
  decodeInferenceFrame,
  INFERENCE_FRAME,
  type InferenceFrame,
  JSON_BODY,
} from "../../../../../shared/protocol/frames/inference-frame.ts";
import type { ResponseFrame } from "../../../../../shared/protocol/frames/response-frame.ts";
import { aNode, aPlacement, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";
import { aSession } from "../../../../support/fleet/node-session.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const here = aNode("edge-a");
const away = aNode("edge-b");

let session: NodeSession;
let requests: PeerRequests;
/** What the node was sent. */
let sent: InferenceFrame[];
let responses: Omit<ResponseFrame, "end" | "bodyLength">[];
let hasRoom: boolean;
const responder: PeerResponder = {
  respond: (response) => {
    responses.push({ ...response, body: Uint8Array.from(response.body) });
    return Promise.resolve();
  },
  forward: () => Promise.resolve(),
};

beforeEach(async () => {
  const clock = new TestClock(NOW);
  [sent, responses, hasRoom] = [[], [], true];
  const fleet = await fleetOf({ nodes: [here, away], placements: [aPlacement(here), aPlacement(away)] }, clock);
  const registry = new SessionRegistry();
  const control = { send: () => 1, close: () => undefined, lastByteAt: () => NOW, ping: () => undefined };
  session = aSession(here, { control, clock });
  session.attachInference({
    send(messages) {
      if (!hasRoom) return false;
      for (const message of messages) sent.push(decodeInferenceFrame(message) ?? fail("not a frame"));
      return true;
    },
    close: () => undefined,
    lastByteAt: () => NOW,
  });
  registry.add(session);
  requests = new PeerRequests({
    fleet,
    registry,
    links: { find: () => Promise.resolve(undefined) },
    timings: TIMINGS,
    clock,
  });
});

const fail = (why: string): never => {
  throw new Error(why);
};

const ask = (placementId: string, cancellation = new Cancellation()): Promise<void> =>
  requests.onRequest(
    {
      type: INFERENCE_FRAME.REQUEST,
      requestId: 7,
      end: true,
      edgeOnly: true,
      deadlineMs: 900,
      bodyLength: 2,
      headerLength: JSON_BODY,
      priority: 0,
      meta: { placementId, traceparent: "00-a-b-01" },
      body: own(new TextEncoder().encode("{}")),
    },
    responder,
    cancellation,
  );

const figures = { nodeInFlight: 3, queueUs: 10, computeUs: 20, placementInFlight: 2, meanUs: 30, p95Us: 40, slots: 4 };

describe("a request of another control plane", () => {
  it("goes to the node as it came, and its answer back as the node gave it", async () => {
    const done = ask("p-edge-a");
    expect(sent).toMatchObject([
      {
        edgeOnly: true,
        deadlineMs: 900,
        meta: { placementId: "p-edge-a", traceparent: "00-a-b-01" },
        body: Buffer.from("{}"),
      },
    ]);
    const requestId = sent[0]?.requestId ?? 0;
    const response = {
      type: INFERENCE_FRAME.RESPONSE,
      requestId,
      end: true,
      wasNotExecuted: false,
      status: 200,
      bodyLength: 4,
      headerLength: JSON_BODY,
      meta: {},
      body: own(new TextEncoder().encode("true")),
      ...figures,
    } as const;
    session.pending.settle(requestId, { kind: "answered", response });
    await done;
    expect(responses).toMatchObject([{ requestId: 7, status: 200, ...figures, body: Buffer.from("true") }]);
  });

  it.each([
    ["whose session is elsewhere", "p-edge-b"],
    ["that nobody knows", "p-unknown"],
  ])("is not passed on to a node %s: another one may be asked", async (_, placementId) => {
    await ask(placementId);
    expect([sent, responses]).toMatchObject([
      [],
      [{ requestId: 7, wasNotExecuted: true, status: 503, meta: { code: "MODEL_NOT_READY" } }],
    ]);
  });

  it("is refused while too much waits for the node", async () => {
    hasRoom = false;
    await ask("p-edge-a");
    expect(responses).toMatchObject([{ wasNotExecuted: true, status: 429, meta: { code: "QUEUE_FULL" } }]);
  });

  it("is lost with its node", async () => {
    const done = ask("p-edge-a");
    session.pending.loseAll();
    await done;
    expect(responses).toMatchObject([{ wasNotExecuted: false, status: 503, meta: { code: "NODE_LOST" } }]);
  });

  it("is answered as late when the node says nothing", async () => {
    const done = ask("p-edge-a");
    expect(session.pending.expire(NOW + 999)).toEqual([]);
    expect(session.pending.expire(NOW + 1_000)).toHaveLength(1);
    await done;
    expect(responses).toMatchObject([{ status: 504, meta: { code: "DEADLINE_EXCEEDED" } }]);
  });

  it("is dropped by the node when its caller has gone, and answered by nobody", async () => {
    const cancellation = new Cancellation();
    const done = ask("p-edge-a", cancellation);
    cancellation.cancel();
    await done;
    expect(sent.at(-1)).toEqual({ type: INFERENCE_FRAME.CANCEL, requestId: sent[0]?.requestId });
    expect(responses).toEqual([]);
  });

  it("is waited for before this control plane stops", async () => {
    let isIdle = false;
    const done = ask("p-edge-a");
    void requests.idle().then(() => (isIdle = true));
    await settle();
    expect(isIdle).toBe(false);
    session.pending.loseAll();
    await done;
    await settle();
    expect(isIdle).toBe(true);
  });
});
