import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { WebSocket, WebSocketServer } from "ws";
import { WebSocketControlChannel } from "../../../control-plane/adapters/websocket/control-channel.ts";
import type { ControlSession } from "../../../control-plane/ports/nodes/channels.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { CONTROL_RATE } from "../../../shared/protocol/limits.ts";
import type { NodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import { eventually } from "../../support/eventually.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { TestClock } from "../../support/test-clock.ts";

let server: Server;
let sockets: WebSocketServer;
let clock: TestClock;
let node: WebSocket;
let heard: NodeMessage[];
let closedBy: number | undefined;
let channel: WebSocketControlChannel;

const session: ControlSession = {
  epoch: 1,
  welcome: {
    type: "welcome",
    heartbeatMs: 5_000,
    loadMs: 1_000,
    suspectMs: 15_000,
    lostMs: 60_000,
    desiredRev: 0,
    replica: "r-1",
    features: [],
  },
  started: () => undefined,
  onMessage: (message) => void heard.push(message),
  onClosed: () => undefined,
};

beforeEach(async () => {
  clock = new TestClock();
  heard = [];
  closedBy = undefined;
  server = createServer();
  sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, below, head) =>
    sockets.handleUpgrade(request, below, head, (webSocket) => {
      channel = new WebSocketControlChannel(webSocket, { below, epoch: 1, clock, logger: silentLogger });
      channel.listen(session);
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  node = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  node.on("close", (code) => (closedBy = code));
  await new Promise((resolve) => node.once("open", resolve));
});

afterEach(async () => {
  node.terminate();
  sockets.close();
  await new Promise((resolve) => server.close(resolve));
});

function say(messages: number): void {
  for (let index = 0; index < messages; index += 1)
    node.send(JSON.stringify({ type: "log", id: index + 2, epoch: 1, seq: index, dropped: 0, lines: [] }));
}

describe("WebSocketControlChannel", () => {
  it("in-flood: closes 4429 at the first message over the burst, and hears none of the rest", async () => {
    say(10 * CONTROL_RATE.burst);
    await eventually("the end", () => closedBy);
    expect(closedBy).toBe(CLOSE.TOO_MANY_MESSAGES);
    expect(heard).toHaveLength(CONTROL_RATE.burst);
  });

  it("hears the whole burst, and what the rate gives after it", async () => {
    say(CONTROL_RATE.burst);
    await eventually("the burst", () => heard.length === CONTROL_RATE.burst);
    await clock.advance(1_000);
    say(CONTROL_RATE.perSecond);
    await eventually("a second's messages", () => heard.length === CONTROL_RATE.burst + CONTROL_RATE.perSecond);
    expect(closedBy).toBeUndefined();
  });

  it("knows when the last byte came, whether or not it belongs to a message, and however late it is asked", async () => {
    await clock.advance(1_000);
    const pingedAt = clock.now();
    const answered = new Promise((resolve) => node.once("pong", resolve));
    node.ping();
    await answered;
    await clock.advance(5_000);
    expect(channel.lastByteAt()).toBe(pingedAt);
  });
});
