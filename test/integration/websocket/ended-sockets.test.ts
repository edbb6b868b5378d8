import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { WebSocket, WebSocketServer } from "ws";
import { countedSocket } from "../../../control-plane/adapters/websocket/counted-socket.ts";
import { SocketWatch } from "../../../control-plane/adapters/websocket/socket-watch.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { OUTBOUND_PAUSE_BYTES, OUTBOUND_STALL_MS } from "../../../shared/protocol/limits.ts";
import { eventually } from "../../support/eventually.ts";
import { TestClock } from "../../support/test-clock.ts";

let server: Server;
let sockets: WebSocketServer;
let node: WebSocket;
let here: WebSocket;
let watch: SocketWatch;
let clock: TestClock;
let ended: string[];

beforeEach(async () => {
  clock = new TestClock();
  ended = [];
  server = createServer();
  sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 1_024,
    maxFragments: 4,
    WebSocket: countedSocket((reason) => ended.push(reason)),
  });
  server.on("upgrade", (request, below, head) =>
    sockets.handleUpgrade(request, below, head, (webSocket) => {
      here = webSocket;
      webSocket.on("error", () => undefined);
      watch = new SocketWatch(webSocket, { below, clock });
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  node = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  node.on("error", () => undefined);
  await new Promise((resolve) => node.once("open", resolve));
});

afterEach(async () => {
  node.terminate();
  sockets.close();
  await new Promise((resolve) => server.close(resolve));
});

const isEnded = (): Promise<unknown> => eventually("the end is counted", () => ended.length > 0);

describe("sockets of nodes that the control plane ends", () => {
  it("are counted once, by the name of the code", async () => {
    watch.close(CLOSE.TOO_MANY_MESSAGES, "more than 50 messages a second");
    watch.close(CLOSE.INVALID_MESSAGE, "and nonsense behind it");
    await isEnded();
    expect(ended).toEqual(["too-many-messages"]);
  });

  it("are counted where a message is too long", async () => {
    node.send(Buffer.alloc(1_025));
    await isEnded();
    expect(ended).toEqual(["too-big"]);
  });

  it("are counted where a message comes in too many pieces", async () => {
    for (let piece = 0; piece < 6; piece += 1) node.send("x", { fin: false });
    await isEnded();
    expect(ended).toEqual(["too-many-fragments"]);
  });

  it("are counted where the other side takes nothing", async () => {
    // What is written and not sent yet, without megabytes in the kernel.
    Object.defineProperty(here, "bufferedAmount", { value: OUTBOUND_PAUSE_BYTES + 1 });
    expect(watch.hasRoom()).toBe(false);
    await clock.advance(OUTBOUND_STALL_MS + 1);
    expect(watch.hasRoom()).toBe(false);
    expect(ended).toEqual(["too-slow"]);
    expect(here.readyState).not.toBe(WebSocket.OPEN);
  });

  it("are not counted where the other side ends them", async () => {
    const closed = new Promise((resolve) => here.once("close", resolve));
    node.close(CLOSE.DONE, "the node stops");
    await closed;
    expect(ended).toEqual([]);
  });
});
