import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type RawData, WebSocket } from "ws";
import { keys } from "../../../control-plane/adapters/system/ed25519.ts";
import { bytesOf } from "../../../control-plane/adapters/websocket/parse-message.ts";
import { NodeChannels } from "../../../control-plane/adapters/websocket/node-channels.ts";
import {
  type Channel,
  channelPath,
  STAGING_MS,
  SUBPROTOCOL,
  TRANSFER_SILENCE_MS,
} from "../../../shared/protocol/limits.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { TestClock } from "../../support/test-clock.ts";

/** The longest silence of a channel that is in use. */
const SILENCE_MS = STAGING_MS + TRANSFER_SILENCE_MS;

const EDGE_A = { name: "edge-a", kind: "edge", publicKey: "", generation: 1, revoked: false } as const;

interface Replica {
  readonly server: Server;
  readonly channels: NodeChannels;
  readonly clock: TestClock;
}

const started: Replica[] = [];
/** Where replicas are dialled. */
let urls: Record<string, string>;

beforeEach(() => {
  urls = {};
});

afterEach(async () => {
  for (const { channels } of started) channels.terminateAll();
  await Promise.all(started.splice(0).map(({ server }) => new Promise((resolve) => server.close(resolve))));
});

/** Its challenges name it in place of the control plane. */
async function aReplica(name: string): Promise<Replica> {
  const clock = new TestClock();
  const sessions = {
    identity: () => Promise.resolve(EDGE_A),
    identityInSession: () => undefined,
    openControl: () => Promise.reject(new Error("no session is opened here")),
    openInference: () => null,
    openTransfer: () => null,
  };
  const channels = new NodeChannels({
    sessions,
    keys,
    clock,
    logger: silentLogger,
    cpId: name,
    trustedProxies: 0,
    replica: name,
    urlOfHolder: (_nodeId, replica) => Promise.resolve(urls[replica]),
  });
  const server = createServer();
  server.on("upgrade", channels.upgrade);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  urls[name] = urlOf(server);
  const replica = { server, channels, clock };
  started.push(replica);
  return replica;
}

const urlOf = (server: { address(): ReturnType<Server["address"]> }): string =>
  `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** Who challenges the node that dials `at`, or the HTTP status that it gets. */
function answerTo(
  { server }: Replica,
  { channel = "inference", headers }: { channel?: Channel; headers: Record<string, string> },
): Promise<string | number | undefined> {
  const webSocket = new WebSocket(`${urlOf(server)}${channelPath(channel)}`, SUBPROTOCOL, {
    headers: { "skerry-node-id": "n-1", ...headers },
  });
  webSocket.on("error", () => undefined);
  return new Promise((resolve) => {
    webSocket.once("message", (data: RawData) => resolve(JSON.parse(bytesOf(data).toString()).cpId));
    webSocket.once("unexpected-response", (request, response) => {
      resolve(response.statusCode);
      request.destroy();
    });
  });
}

/** A channel for a node of `r-2`, after its challenge. */
async function passedOn({ server }: Replica) {
  const webSocket = new WebSocket(`${urlOf(server)}${channelPath("inference")}`, SUBPROTOCOL, {
    headers: { "skerry-node-id": "n-1", "skerry-replica": "r-2" },
  });
  webSocket.on("error", () => undefined);
  const closed = new Promise((resolve) => webSocket.once("close", resolve));
  await new Promise((resolve) => webSocket.once("message", resolve));
  return { webSocket, closed };
}

describe("a channel of a node whose session is at another control plane", () => {
  it.each(["inference", "transfer"] as const)(
    "is passed on to that one, when it is the %s channel",
    async (channel) => {
      const [here] = [await aReplica("r-1"), await aReplica("r-2")];
      expect(await answerTo(here, { channel, headers: { "skerry-replica": "r-2" } })).toBe("r-2");
      expect(await answerTo(here, { channel, headers: { "skerry-replica": "r-1" } })).toBe("r-1");
    },
  );

  it("stays here when it is the control channel, which opens a session anew", async () => {
    const [here] = [await aReplica("r-1"), await aReplica("r-2")];
    expect(await answerTo(here, { channel: "control", headers: { "skerry-replica": "r-2" } })).toBe("r-1");
  });

  it("is passed on once: a control plane that has lost the session does not send it round", async () => {
    const [here] = [await aReplica("r-1"), await aReplica("r-2")];
    expect(await answerTo(here, { headers: { "skerry-replica": "r-2", "skerry-hop": "1" } })).toBe("r-1");
  });

  it("is asked to come again when that one is not known, or does not take connections", async () => {
    const here = await aReplica("r-1");
    expect(await answerTo(here, { headers: { "skerry-replica": "r-gone" } })).toBe(503);
    const listener = createTcpServer();
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    urls["r-dead"] = urlOf(listener);
    await new Promise((resolve) => listener.close(resolve));
    expect(await answerTo(here, { headers: { "skerry-replica": "r-dead" } })).toBe(503);
  });

  it("ends with either side", async () => {
    const [here, there] = [await aReplica("r-1"), await aReplica("r-2")];
    const { closed } = await passedOn(here);
    there.channels.terminateAll();
    expect(await closed).toBe(1006);
  });

  it("ends when nothing comes from either side any more, and not before", async () => {
    const [here] = [await aReplica("r-1"), await aReplica("r-2")];
    const { webSocket, closed } = await passedOn(here);
    for (let times = 0; times < 3; times += 1) {
      await here.clock.advance(SILENCE_MS);
      const ponged = new Promise((resolve) => webSocket.once("pong", () => resolve("pong")));
      webSocket.ping();
      expect(await Promise.race([ponged, closed])).toBe("pong");
    }
    await here.clock.advance(2 * SILENCE_MS);
    expect(await closed).toBe(1006);
  });
});
