import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { WebSocket } from "ws";
import { keys } from "../../../control-plane/adapters/system/ed25519.ts";
import { NodeChannels } from "../../../control-plane/adapters/websocket/node-channels.ts";
import { channelPath, SUBPROTOCOL, type Channel } from "../../../shared/protocol/limits.ts";
import { eventually } from "../../support/eventually.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { TestClock } from "../../support/test-clock.ts";

/** More than the control plane works on at a time. */
const MANY = 40;

const EDGE_A = { name: "edge-a", kind: "edge", publicKey: "", generation: 1, revoked: false } as const;

let server: Server;
let channels: NodeChannels;
/** Answers a look-up of a node: each waits until it is called. */
let lookUps: (() => void)[];
let sockets: Socket[];

beforeEach(async () => {
  lookUps = [];
  sockets = [];
  const sessions = {
    identity: async () => {
      await new Promise<void>((resolve) => lookUps.push(resolve));
      return EDGE_A;
    },
    identityInSession: (nodeId: string) => (nodeId === "n-present" ? EDGE_A : undefined),
    openControl: () => Promise.reject(new Error("no session is opened here")),
    openInference: () => null,
    openTransfer: () => null,
  };
  channels = new NodeChannels({
    sessions,
    keys,
    clock: new TestClock(),
    logger: silentLogger,
    cpId: "cp-1",
    trustedProxies: 0,
    replica: "r-1",
    urlOfHolder: () => Promise.resolve(undefined),
  });
  server = createServer();
  server.on("upgrade", channels.upgrade);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  for (const socket of sockets) socket.resetAndDestroy();
  channels.terminateAll();
  await new Promise((resolve) => server.close(resolve));
});

const port = (): number => (server.address() as AddressInfo).port;

const connections = (): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));

/** An upgrade request by hand; `key` is what a WebSocket client makes up. */
function ask(key: string): Socket {
  const socket = connect({ port: port(), host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  socket.write(
    `GET ${channelPath("control")} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Protocol: ${SUBPROTOCOL}\r\nSec-WebSocket-Key: ${key}\r\nSkerry-Node-Id: n-1\r\n\r\n`,
  );
  sockets.push(socket);
  return socket;
}

const isClosed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once("close", resolve));

/** What the node hears first on a channel that it dials now. */
async function heardNow(nodeId = "n-1", channel: Channel = "control"): Promise<unknown> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port()}${channelPath(channel)}`, SUBPROTOCOL, {
    headers: { "skerry-node-id": nodeId },
  });
  let heard: string | undefined;
  webSocket.on("message", (data) => (heard = Buffer.isBuffer(data) ? data.toString() : ""));
  webSocket.on("error", () => undefined);
  if (channel === "control") {
    await eventually("its look-up", () => lookUps.length > 0);
    for (const answer of lookUps.splice(0)) answer();
  }
  const challenge = await eventually("a challenge", () => heard);
  webSocket.terminate();
  return JSON.parse(challenge);
}

describe("the turn of an upgrade", () => {
  it("ends when the connection is lost while the node is looked up", async () => {
    for (let index = 0; index < MANY; index += 1) ask("dGhlIHNhbXBsZSBub25jZQ==");
    await eventually("as many look-ups as there are turns", () => lookUps.length >= 25);
    for (const socket of sockets) socket.resetAndDestroy();
    await eventually("the server knows it", async () => (await connections()) === 0);
    for (const answer of lookUps.splice(0)) answer();
    expect(await heardNow()).toMatchObject({ type: "challenge" });
  });

  it("is not needed by a node whose session is here: its other channels open while all turns are taken", async () => {
    for (let index = 0; index < MANY; index += 1) ask("dGhlIHNhbXBsZSBub25jZQ==");
    await eventually("as many look-ups as there are turns", () => lookUps.length >= 25);
    expect(await heardNow("n-present", "inference")).toMatchObject({ type: "challenge" });
    expect(lookUps).toHaveLength(25);
  });

  it("ends when what was sent is no handshake of a WebSocket, which is answered 400 and closed", async () => {
    const closes: Promise<unknown>[] = [];
    for (let index = 0; index < MANY; index += 1) {
      const socket = ask("too-short");
      let text = "";
      socket.on("data", (bytes) => (text += bytes.toString()));
      closes.push(isClosed(socket).then(() => text));
      await eventually("its look-up", () => lookUps.length > 0);
      for (const answer of lookUps.splice(0)) answer();
      socket.on("end", () => socket.end());
    }
    for (const text of await Promise.all(closes)) expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(await heardNow()).toMatchObject({ type: "challenge" });
  });
});
