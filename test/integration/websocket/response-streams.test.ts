import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { WebSocket, WebSocketServer } from "ws";
import { WebSocketInferenceChannel as ControlPlaneEnd } from "../../../control-plane/adapters/websocket/inference-channel.ts";
import { PendingRequests } from "../../../control-plane/app/inference/pending-requests.ts";
import { ResponseReceiver } from "../../../control-plane/app/inference/response-receiver.ts";
import { WebSocketInferenceChannel as NodeEnd } from "../../../edge-node/adapters/websocket/inference-channel.ts";
import { NodeChannel } from "../../../edge-node/adapters/websocket/node-channel.ts";
import type { HostStream } from "../../../edge-node/ports/model-hosts.ts";
import { own } from "../../../shared/bytes/owned-bytes.ts";
import { ResponseStream } from "../../../shared/inference/response-stream.ts";
import { encodeCancel, INFERENCE_FRAME, JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import { INITIAL_CREDIT_BYTES } from "../../../shared/protocol/limits.ts";
import { eventually } from "../../support/eventually.ts";
import { settle, TestClock } from "../../support/test-clock.ts";

let server: Server;
let sockets: WebSocketServer;
let pending: PendingRequests;
let controlPlane: ControlPlaneEnd;
let webSocket: WebSocket;
/** Under the node's end. */
let below: Socket;
const clock = new TestClock();

beforeEach(async () => {
  pending = new PendingRequests();
  server = createServer();
  sockets = new WebSocketServer({ noServer: true, allowSynchronousEvents: true, perMessageDeflate: false });
  server.on("upgrade", (request, below, head) =>
    sockets.handleUpgrade(request, below, head, (accepted) => {
      controlPlane = new ControlPlaneEnd(accepted, { below, clock });
      const receiver = new ResponseReceiver(pending, controlPlane);
      controlPlane.listen({ onFrame: (frame) => receiver.onFrame(frame), onClosed: () => pending.loseAll() });
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  webSocket.terminate();
  sockets.close();
  await new Promise((resolve) => server.close(resolve));
});

async function aNode({ streamsResponses }: { streamsResponses: boolean }): Promise<NodeEnd> {
  webSocket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { perMessageDeflate: false });
  below = await new Promise<Socket>((resolve) => webSocket.once("upgrade", (response) => resolve(response.socket)));
  const socket = new NodeChannel(webSocket, { below, clock, messagesAreKept: false });
  const node = new NodeEnd(socket, { clock, streamsResponses });
  node.listen({ onRequest: () => undefined, onCancel: () => undefined });
  await eventually("the channel is open", () => webSocket.readyState === webSocket.OPEN);
  return node;
}

/** Counts what the node's end gives to the system from now on. */
function countWrites(): () => number {
  const alone = jest.spyOn(below, "_write");
  const together = jest.spyOn(below as Required<Pick<Socket, "_writev">>, "_writev");
  return () => alone.mock.calls.length + together.mock.calls.length;
}

const FIGURES = { nodeInFlight: 1, queueUs: 2, computeUs: 3, placementInFlight: 4, meanUs: 5, p95Us: 6, slots: 1 };

const responseTo = (requestId: number, body: Uint8Array) =>
  ({
    type: INFERENCE_FRAME.RESPONSE,
    requestId,
    wasNotExecuted: false,
    status: 200,
    headerLength: JSON_BODY,
    meta: {},
    body,
    ...FIGURES,
  }) as const;

const aBody = (bytes: number): Buffer => Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * 31) % 251));

describe("a large response over a real socket", () => {
  it("comes piece by piece with its length ahead and its figures behind", async () => {
    const node = await aNode({ streamsResponses: true });
    const body = aBody(3 * 1_048_576);
    const { requestId, outcome } = pending.begin(Infinity);
    const sent = node.respond(responseTo(requestId, body));
    const begun = await outcome;
    if (begun.kind !== "streaming") throw new Error(`the attempt is ${begun.kind}`);
    const pieces: Uint8Array[] = [];
    for (let piece = await begun.stream.next(); piece; piece = await begun.stream.next()) {
      pieces.push(piece);
      begun.stream.passed(piece.byteLength);
    }
    await sent;
    expect(begun.stream.length).toBe(body.byteLength);
    expect(Buffer.concat(pieces).equals(body)).toBe(true);
    expect(await begun.stream.ended).toMatchObject({ kind: "complete", trailer: FIGURES });
  });

  it("stops at its credit while small ones pass it, and ends when it is cancelled", async () => {
    const node = await aNode({ streamsResponses: true });
    const large = pending.begin(Infinity);
    const sent = node.respond(responseTo(large.requestId, aBody(4 * 1_048_576)));
    const begun = await large.outcome;
    if (begun.kind !== "streaming") throw new Error(`the attempt is ${begun.kind}`);
    await eventually("the credit is used up", () => begun.stream.heldBytes === INITIAL_CREDIT_BYTES);
    const small = pending.begin(Infinity);
    await node.respond(responseTo(small.requestId, aBody(100)));
    expect(await small.outcome).toMatchObject({ kind: "answered" });
    await settle();
    expect(begun.stream.receivedBytes).toBe(INITIAL_CREDIT_BYTES);
    pending.cancel(large.requestId);
    controlPlane.send([encodeCancel(large.requestId)]);
    await sent;
    expect([begun.stream.heldBytes, pending.size]).toEqual([0, 0]);
  });

  it.each([
    ["known", 4 * 1_048_576],
    ["unknown", undefined],
  ])("brings the tokens over that an answer of %s length took whose caller has gone", async (_, length) => {
    const node = await aNode({ streamsResponses: true });
    const usage = { promptTokens: 7, outputTokens: 3, cachedTokens: 0 };
    const made: HostStream = new ResponseStream({ length, windowBytes: 4 * 1_048_576, grant: () => undefined });
    made.push(own(aBody(1_048_576)));
    void made.ended.then(() =>
      made.fail("CANCELLED", "nobody reads it", { computeUs: 1, decodeUs: 0, encodeUs: 0, usage }),
    );
    const { requestId, outcome } = pending.begin(Infinity);
    const { body: _body, ...head } = responseTo(requestId, aBody(0));
    const sent = node.respondInPieces(head, made, () => FIGURES);
    const begun = await outcome;
    if (begun.kind !== "streaming") throw new Error(`the attempt is ${begun.kind}`);
    await eventually("the credit is used up", () => begun.stream.heldBytes === INITIAL_CREDIT_BYTES);
    pending.cancel(requestId);
    controlPlane.send([encodeCancel(requestId)]);
    await sent;
    expect(await begun.stream.senderEnd).toMatchObject({ meta: { code: "CANCELLED", usage } });
  });

  it("leaves the socket to others when there are many at once", async () => {
    const node = await aNode({ streamsResponses: true });
    const many = Array.from({ length: 60 }, () => pending.begin(Infinity));
    const sent = many.map(({ requestId }) => node.respond(responseTo(requestId, aBody(100_000))));
    await settle();
    // Of one frame each 3.9 MiB would wait here, and at 4 MiB a socket is taken for stalled.
    expect(webSocket.bufferedAmount).toBeLessThan(512 * 1_024);
    for (const { outcome } of many) {
      const begun = await outcome;
      if (begun.kind !== "streaming") throw new Error(`the attempt is ${begun.kind}`);
      let bytes = 0;
      for (let piece = await begun.stream.next(); piece; piece = await begun.stream.next()) bytes += piece.byteLength;
      expect(bytes).toBe(100_000);
    }
    await Promise.all(sent);
  });

  it("fails when the socket goes, at both ends", async () => {
    const node = await aNode({ streamsResponses: true });
    const { requestId, outcome } = pending.begin(Infinity);
    const sent = node.respond(responseTo(requestId, aBody(4 * 1_048_576)));
    const begun = await outcome;
    if (begun.kind !== "streaming") throw new Error(`the attempt is ${begun.kind}`);
    webSocket.terminate();
    await sent;
    expect(await begun.stream.ended).toMatchObject({ kind: "failed", code: "NODE_LOST" });
  });

  it("is collected from and for a peer that knows no streams", async () => {
    const node = await aNode({ streamsResponses: false });
    const body = aBody(3 * 1_048_576);
    const { requestId, outcome } = pending.begin(Infinity);
    await node.respond(responseTo(requestId, body));
    const whole = await outcome;
    expect(whole.kind === "answered" && Buffer.from(whole.response.body).equals(body)).toBe(true);
  });
});

describe("answers whose pieces are made one by one", () => {
  const made = (): HostStream =>
    new ResponseStream({ length: undefined, windowBytes: INITIAL_CREDIT_BYTES, grant: () => undefined });
  const begin = (node: NodeEnd, stream: HostStream) => {
    const { requestId, outcome } = pending.begin(Infinity);
    const { body: _body, ...head } = responseTo(requestId, aBody(0));
    return { outcome, sent: node.respondInPieces(head, stream, () => FIGURES) };
  };

  it("hand what comes of all of them in one turn of the event loop to the system together", async () => {
    const node = await aNode({ streamsResponses: true });
    const streams = [made(), made(), made()];
    const answers = streams.map((stream) => begin(node, stream));
    const received = await Promise.all(
      answers.map(async ({ outcome }) => {
        const begun = await outcome;
        if (begun.kind !== "streaming") throw new Error(`the attempt is ${begun.kind}`);
        return begun.stream;
      }),
    );
    const writes = countWrites();
    for (const stream of streams) stream.push(own(aBody(200)));
    await eventually("all pieces are there", () => received.every(({ receivedBytes }) => receivedBytes === 200));
    expect(writes()).toBe(1);
    for (const stream of streams) stream.finish({ computeUs: 1, decodeUs: 0, encodeUs: 0 });
    await Promise.all(answers.map(({ sent }) => sent));
    expect(writes()).toBe(2);
  });

  it("have their head and their first piece in one", async () => {
    const node = await aNode({ streamsResponses: true });
    const stream = made();
    stream.push(own(aBody(200)));
    const writes = countWrites();
    const { outcome, sent } = begin(node, stream);
    const begun = await outcome;
    if (begun.kind !== "streaming") throw new Error(`the attempt is ${begun.kind}`);
    await eventually("the piece is there", () => begun.stream.receivedBytes === 200);
    expect(writes()).toBe(1);
    stream.finish({ computeUs: 1, decodeUs: 0, encodeUs: 0 });
    await sent;
  });
});
