import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { WebSocket, WebSocketServer } from "ws";
import { PendingRequests } from "../../../control-plane/app/inference/pending-requests.ts";
import { ResponseReceiver } from "../../../control-plane/app/inference/response-receiver.ts";
import { keyPair, keys } from "../../../control-plane/adapters/system/ed25519.ts";
import { WebSocketPeerDialer } from "../../../control-plane/adapters/websocket/peers/peer-dialer.ts";
import { PeerServer } from "../../../control-plane/adapters/websocket/peers/peer-server.ts";
import type { KeyPair } from "../../../control-plane/ports/access/keys.ts";
import type { PeerHandler } from "../../../control-plane/ports/nodes/peers.ts";
import { own } from "../../../shared/bytes/owned-bytes.ts";
import { ResponseStream } from "../../../shared/inference/response-stream.ts";
import {
  encodeCancel,
  encodeMessages,
  INFERENCE_FRAME,
  JSON_BODY,
} from "../../../shared/protocol/frames/inference-frame.ts";
import { type TrailersFrame, UNKNOWN_LENGTH } from "../../../shared/protocol/frames/stream-frame.ts";
import {
  AUTHENTICATION_DEADLINE_MS,
  INFERENCE_PING_MS,
  MAX_MESSAGE_BYTES,
  STREAM_STALL_MS,
} from "../../../shared/protocol/limits.ts";
import { PEER_PATH, PEER_SUBPROTOCOL } from "../../../shared/protocol/peers.ts";
import { peerProofText } from "../../../shared/protocol/proofs.ts";
import { eventually } from "../../support/eventually.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { TestClock } from "../../support/test-clock.ts";

const CP = "cp-1";
const CHALLENGE = JSON.stringify({ type: "challenge", nonce: "n".repeat(43) });
const FIGURES = { nodeInFlight: 1, placementInFlight: 1, queueUs: 5, computeUs: 6, meanUs: 7, p95Us: 8, slots: 2 };

let server: Server;
let peers: PeerServer;
let clock: TestClock;
let key: KeyPair;
/** Of the control plane that is dialled. */
let otherKey: KeyPair;
/** Public keys by replica, as they are recorded. */
let recorded: Map<string, string>;
let onRequest: PeerHandler["onRequest"];
const calledOff = new AbortController();

beforeEach(async () => {
  clock = new TestClock();
  key = keyPair();
  otherKey = keyPair();
  recorded = new Map([["r-1", key.publicKey]]);
  onRequest = () => Promise.resolve();
  peers = new PeerServer({
    handler: {
      publicKeyOf: (id) => Promise.resolve(recorded.get(id)),
      onRequest: (...request) => onRequest(...request),
    },
    key: otherKey,
    keys,
    clock,
    logger: silentLogger,
    cpId: CP,
    replica: "r-2",
  });
  server = createServer();
  server.on("upgrade", peers.upgrade);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  peers.terminateAll();
  await new Promise((resolve) => server.close(resolve));
});

const urlOf = (at: { address(): ReturnType<Server["address"]> }): string =>
  `ws://127.0.0.1:${(at.address() as AddressInfo).port}`;

const url = (): string => urlOf(server);

const dial = ({
  replica = "r-1",
  id = "r-2",
  cpId = CP,
  pair = key,
  publicKey = otherKey.publicKey,
  at = url(),
} = {}) =>
  new WebSocketPeerDialer({ replica, cpId, key: pair, keys, clock }).dial({ id, url: at, publicKey }, calledOff.signal);

const aRequest = (requestId: number, body: Uint8Array) =>
  encodeMessages(
    {
      type: INFERENCE_FRAME.REQUEST,
      requestId,
      edgeOnly: false,
      deadlineMs: 1_000,
      headerLength: JSON_BODY,
      priority: 0,
      meta: { placementId: "p-1" },
    },
    [body],
    MAX_MESSAGE_BYTES,
  );

const anAnswer = (requestId: number) =>
  encodeMessages(
    {
      ...FIGURES,
      type: INFERENCE_FRAME.RESPONSE,
      requestId,
      wasNotExecuted: false,
      status: 200,
      headerLength: JSON_BODY,
      meta: {},
    },
    [new Uint8Array(2)],
    MAX_MESSAGE_BYTES,
  );

/** A request for `body`, sent on a new channel. */
async function asked(body: Uint8Array) {
  const channel = await dial();
  const pending = new PendingRequests();
  const receiver = new ResponseReceiver(pending, channel);
  channel.listen((frame) => receiver.onFrame(frame));
  const { requestId, outcome } = pending.begin(Infinity);
  channel.send(aRequest(requestId, body));
  return { channel, pending, requestId, outcome };
}

/** A control plane that sends these to everyone who dials it. */
async function aStranger(messages: readonly string[]): Promise<WebSocketServer> {
  const stranger = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => PEER_SUBPROTOCOL });
  stranger.on("connection", (webSocket) => {
    webSocket.on("error", () => undefined);
    for (const message of messages) webSocket.send(message);
  });
  await new Promise((resolve) => stranger.once("listening", resolve));
  return stranger;
}

describe("the channel between two control planes", () => {
  it.each([
    ["small", 10],
    ["of several frames", 300_000],
  ])("carries a request and an answer that are %s", async (_, bytes) => {
    onRequest = (frame, responder) =>
      responder.respond({
        ...FIGURES,
        type: INFERENCE_FRAME.RESPONSE,
        requestId: frame.requestId,
        wasNotExecuted: false,
        status: 200,
        headerLength: JSON_BODY,
        meta: {},
        body: Uint8Array.from(frame.body),
      });
    const body = Uint8Array.from({ length: bytes }, (_value, at) => at % 251);
    const { outcome } = await asked(body);
    const ended = await outcome;
    if (ended.kind !== "answered") throw new Error(`it is ${ended.kind}`);
    expect(ended.response).toMatchObject({ status: 200, ...FIGURES });
    expect(Buffer.compare(ended.response.body, body)).toBe(0);
  });

  it("carries an answer in pieces no faster than it is read, with its model's doubt and the figures of its end", async () => {
    const length = 3 * 1_048_576;
    let made: ResponseStream<TrailersFrame> | undefined;
    onRequest = (frame, responder) => {
      const { requestId } = frame;
      const stream = new ResponseStream<TrailersFrame>({ length, windowBytes: length, grant: () => undefined });
      made = stream;
      for (let at = 0; at < length; at += 65_536) stream.push(own(new Uint8Array(65_536).fill(at / 65_536)));
      stream.finish({ type: INFERENCE_FRAME.TRAILERS, requestId: 99, ...FIGURES, meta: {} });
      const head = { type: INFERENCE_FRAME.RESPONSE_HEAD, status: 200, queueUs: 1, computeUs: 2 } as const;
      const meta = { doubtful: true } as const;
      return responder.forward({ ...head, meta, requestId, headerLength: JSON_BODY, bodyLength: length }, stream);
    };
    const begun = await (await asked(new Uint8Array(2))).outcome;
    if (begun.kind !== "streaming") throw new Error(`it is ${begun.kind}`);
    expect(begun.head.meta).toEqual({ doubtful: true });
    await eventually("the credit is used up", () => !begun.stream.isSenderFree);
    expect(made?.heldBytes).toBeGreaterThan(length / 2);
    let bytes = 0;
    for (let piece = await begun.stream.next(); piece; piece = await begun.stream.next()) {
      bytes += piece.byteLength;
      begun.stream.passed(piece.byteLength);
    }
    expect(bytes).toBe(length);
    expect(await begun.stream.ended).toMatchObject({ kind: "complete", trailer: FIGURES });
  });

  it("ends a request whose answer is not taken, and keeps the channel", async () => {
    const length = 2 * 1_048_576;
    let isCancelled = false;
    onRequest = (frame, responder, cancellation) => {
      const { requestId } = frame;
      const stream = new ResponseStream<TrailersFrame>({ length, windowBytes: length, grant: () => undefined });
      for (let at = 0; at < length; at += 65_536) stream.push(own(new Uint8Array(65_536)));
      cancellation.onCancel(() => {
        isCancelled = true;
        stream.cancel();
        stream.finish({ type: INFERENCE_FRAME.TRAILERS, requestId: 99, ...FIGURES, meta: {} });
      });
      const head = { type: INFERENCE_FRAME.RESPONSE_HEAD, status: 200, queueUs: 1, computeUs: 2, meta: {} } as const;
      return responder.forward({ ...head, requestId, headerLength: JSON_BODY, bodyLength: UNKNOWN_LENGTH }, stream);
    };
    const { channel, outcome } = await asked(new Uint8Array(2));
    const begun = await outcome;
    if (begun.kind !== "streaming") throw new Error(`it is ${begun.kind}`);
    await eventually("the credit is used up", () => !begun.stream.isSenderFree);
    for (let at = 0; at < 3 * STREAM_STALL_MS; at += INFERENCE_PING_MS) {
      expect(isCancelled).toBe(false);
      await clock.advance(INFERENCE_PING_MS);
      await eventually("it has pinged", () => channel.lastByteAt() === clock.now());
    }
    expect(isCancelled).toBe(true);
    expect(await begun.stream.ended).toMatchObject({ kind: "failed", code: "CANCELLED" });
    expect(channel.send([])).toBe(true);
  });

  it.each([
    ["is cancelled", (channel: Awaited<ReturnType<typeof dial>>, id: number) => void channel.send([encodeCancel(id)])],
    ["loses its channel", (channel: Awaited<ReturnType<typeof dial>>) => channel.close(1000, "")],
  ])("ends a request that %s", async (_, end) => {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    let isCancelled = false;
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    onRequest = (_frame, _responder, cancellation) => {
      cancellation.onCancel(() => {
        isCancelled = true;
        resolve();
      });
      begin();
      return ended;
    };
    const { channel, requestId } = await asked(new Uint8Array(2));
    await begun;
    end(channel, requestId);
    await ended;
    expect(isCancelled).toBe(true);
  });

  it.each([
    ["is not recorded", { replica: "r-9" }],
    ["is another one by its key", { pair: keyPair() }],
    ["takes this one for another", { id: "r-3" }],
    ["belongs to another database", { cpId: "cp-2" }],
  ])("is refused to a control plane that %s", async (_, who) => {
    await expect(dial(who)).rejects.toThrow("4401");
  });

  it.each([
    ["what is no frame", () => [own(new Uint8Array(40).fill(255))]],
    ["an answer", anAnswer],
    ["a request with the id of one under way", (id: number) => aRequest(id, new Uint8Array(2))],
    [
      "a request with the id of one that still arrives",
      (id: number) => {
        const [first] = aRequest(id + 1, new Uint8Array(300_000));
        return first ? [first, own(Uint8Array.from(first))] : [];
      },
    ],
  ])("is closed to one that sends %s", async (_, messages) => {
    onRequest = () => new Promise(() => undefined);
    const { channel, requestId } = await asked(new Uint8Array(2));
    channel.send(messages(requestId));
    expect(await channel.closed).toMatch(/^4400/);
  });

  it("is one for each control plane: what dials again ends what it had before", async () => {
    let cancelled = 0;
    onRequest = (_frame, _responder, cancellation) =>
      new Promise((resolve) =>
        cancellation.onCancel(() => {
          cancelled += 1;
          resolve();
        }),
      );
    recorded.set("r-5", key.publicKey);
    const [other, first] = [await dial({ replica: "r-5" }), (await asked(new Uint8Array(2))).channel];
    const second = await dial();
    expect(await first.closed).toMatch(/^4409/);
    await eventually("what was under way is cancelled", () => cancelled === 1);
    const third = await dial();
    expect(await second.closed).toMatch(/^4409/);
    expect([other.send([]), second.send([]), third.send([])]).toEqual([true, false, true]);
  });

  it("does not come about with one that listens where another one did", async () => {
    await expect(dial({ publicKey: keyPair().publicKey })).rejects.toThrow("another control plane answers there");
    // Our own proof sent back to us is none.
    const mirror = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => PEER_SUBPROTOCOL });
    mirror.on("connection", (webSocket) => {
      webSocket.send(CHALLENGE);
      webSocket.once("message", (data: Buffer) => {
        const { signature } = JSON.parse(data.toString());
        webSocket.send(JSON.stringify({ type: "attached", signature }));
      });
    });
    await new Promise((resolve) => mirror.once("listening", resolve));
    await expect(dial({ at: urlOf(mirror), publicKey: key.publicKey })).rejects.toThrow("another control plane");
    await new Promise((resolve) => mirror.close(resolve));
  });

  it("does not take a proof of another socket", async () => {
    const signature = key.sign(
      peerProofText({ side: "dials", cpId: CP, from: "r-1", to: "r-2", nonce: keys.secret() }),
    );
    const webSocket = new WebSocket(`${url()}${PEER_PATH}`, PEER_SUBPROTOCOL, { headers: { "skerry-replica": "r-1" } });
    const closed = new Promise((resolve) => webSocket.once("close", resolve));
    webSocket.once("message", () => webSocket.send(JSON.stringify({ type: "proof", signature, nonce: "n" })));
    expect(await closed).toBe(4401);
  });

  it.each([
    ["says something else", ['{"type":"hello"}']],
    ["challenges again in place of an end", [CHALLENGE, CHALLENGE]],
  ])("does not come about with one that %s", async (_, messages) => {
    const stranger = await aStranger(messages);
    await expect(dial({ at: urlOf(stranger) })).rejects.toThrow("broke the protocol");
    await new Promise((resolve) => stranger.close(resolve));
  });

  it.each([
    ["a page in a browser", { origin: "https://app.example", "skerry-replica": "r-1" }, PEER_SUBPROTOCOL, 403],
    ["another protocol", { "skerry-replica": "r-1" }, "skerry.v1", 426],
    ["no name", {}, PEER_SUBPROTOCOL, 401],
  ])("is refused before the upgrade to %s", async (_, headers, protocol, status) => {
    const webSocket = new WebSocket(`${url()}${PEER_PATH}`, protocol, { headers });
    webSocket.on("error", () => undefined);
    const answered = new Promise<number | undefined>((resolve) =>
      webSocket.once("unexpected-response", (request, response) => {
        resolve(response.statusCode);
        request.destroy();
      }),
    );
    expect(await answered).toBe(status);
  });

  it("is closed to one that does not prove itself within 5 s", async () => {
    const webSocket = new WebSocket(`${url()}${PEER_PATH}`, PEER_SUBPROTOCOL, { headers: { "skerry-replica": "r-1" } });
    const closed = new Promise((resolve) => webSocket.once("close", resolve));
    await new Promise((resolve) => webSocket.once("message", resolve));
    await clock.advance(AUTHENTICATION_DEADLINE_MS);
    expect(await closed).toBe(4408);
  });
});
