import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { WebSocket } from "ws";
import { keys } from "../../../control-plane/adapters/system/ed25519.ts";
import { NodeChannels } from "../../../control-plane/adapters/websocket/node-channels.ts";
import type { NodeSessionHandler } from "../../../control-plane/ports/nodes/channels.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { channelPath, SUBPROTOCOL } from "../../../shared/protocol/limits.ts";
import { sessionProofText } from "../../../shared/protocol/proofs.ts";
import { eventually } from "../../support/eventually.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { TestClock } from "../../support/test-clock.ts";

const CP_ID = "cp-1";

let server: Server;
let channels: NodeChannels;
let publicKey: string;
let privateKey: KeyObject;
/** Where each session that was asked for comes from. */
let peers: string[];

async function open(trustedProxies: number): Promise<void> {
  peers = [];
  const pair = generateKeyPairSync("ed25519");
  privateKey = pair.privateKey;
  publicKey = pair.publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("base64url");
  const sessions: NodeSessionHandler = {
    identity: async () => ({ name: "edge-a", kind: "edge", publicKey, generation: 1, revoked: false }),
    identityInSession: () => undefined,
    openControl: async (_hello, _nodeId, { address }) => {
      peers.push(address);
      throw new SkerryError("CONFLICT", "another process is kept");
    },
    openInference: () => null,
    openTransfer: () => null,
  };
  const clock = new TestClock();
  channels = new NodeChannels({
    sessions,
    keys,
    clock,
    logger: silentLogger,
    cpId: CP_ID,
    trustedProxies,
    replica: "r-1",
    urlOfHolder: () => Promise.resolve(undefined),
  });
  server = createServer();
  server.on("upgrade", channels.upgrade);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
}

afterEach(async () => {
  channels.terminateAll();
  await new Promise((resolve) => server.close(resolve));
});

interface Dialled {
  readonly webSocket: WebSocket;
  /** The code with which it closed. */
  closedBy: number | undefined;
  challenge: { readonly nonce: string } | undefined;
}

/** A socket of node `n-1` that comes through one proxy, which saw `address`, and has heard its challenge. */
async function dial(address: string): Promise<Dialled> {
  const { port } = server.address() as AddressInfo;
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}${channelPath("control")}`, SUBPROTOCOL, {
    headers: { "skerry-node-id": "n-1", "x-forwarded-for": `203.0.113.99, ${address}` },
  });
  const dialled: Dialled = { webSocket, closedBy: undefined, challenge: undefined };
  webSocket.on("error", () => undefined);
  webSocket.on("close", (code) => (dialled.closedBy = code));
  webSocket.on("message", (data) => {
    if (Buffer.isBuffer(data)) dialled.challenge = JSON.parse(data.toString());
  });
  await eventually("a challenge", () => dialled.challenge);
  return dialled;
}

function answer({ webSocket, challenge }: Dialled): void {
  const nonce = challenge?.nonce ?? "";
  const text = sessionProofText({ cpId: CP_ID, channel: "control", nodeId: "n-1", generation: 1, nonce });
  webSocket.send(
    JSON.stringify({
      type: "hello",
      id: 1,
      nodeId: "n-1",
      generation: 1,
      signature: sign(null, Buffer.from(text), privateKey).toString("base64url"),
      bootId: "b-1",
      agentVersion: "0.1.0",
      features: [],
      clock: new Date(0).toISOString(),
      lastEpoch: 0,
      capabilities: {
        arch: "x64",
        os: "linux",
        cpus: 1,
        memMiB: 1_024,
        diskMiB: 1_024,
        runtime: "none",
        maxOpset: 1,
        maxIrVersion: 1,
        providers: [],
      },
      desired: { rev: 0, digest: `sha256:${"0".repeat(64)}` },
      placements: [],
    }),
  );
}

describe("node sockets behind a trusted proxy", () => {
  it("have the bound on unproven ones for each address that the proxy saw, not for the proxy", async () => {
    await open(1);
    const real = await dial("192.0.2.1");
    const others: Dialled[] = [];
    for (let index = 0; index < 8; index += 1) others.push(await dial("192.0.2.66"));
    await eventually("the oldest of the other address are gone", () =>
      others.slice(0, 2).every(({ closedBy }) => closedBy !== undefined),
    );
    expect(others.map(({ closedBy }) => closedBy !== undefined)).toEqual([true, true, ...Array(6).fill(false)]);
    expect(real.closedBy).toBeUndefined();
  });

  it("are named by the address that the proxy saw", async () => {
    await open(1);
    const node = await dial("192.0.2.7");
    answer(node);
    await eventually("the refusal", () => node.closedBy);
    expect([node.closedBy, peers]).toEqual([CLOSE.NEWER_SESSION, ["192.0.2.7"]]);
  });

  it("are named by address and port of the connection when no proxy is trusted, whatever they claim", async () => {
    await open(0);
    const node = await dial("192.0.2.7");
    answer(node);
    await eventually("the refusal", () => node.closedBy);
    expect(peers).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
  });
});
