import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { WebSocket } from "ws";
import { sessionProofText } from "../../../shared/protocol/proofs.ts";
import { nodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import { CHANNELS, channelPath, type Channel } from "../../../shared/protocol/limits.ts";
import { HostileNode } from "../../support/fakes/hostile-node.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

/** Id of a heartbeat that is sent last: messages of one socket are taken in their order, so its answer says that all were. */
const LAST = 99;

let database: TestDatabase;
let cluster: SkerryCluster;
let folder: string;
/** Has a key and an identity of its own. */
let mallory: HostileNode;
/** Id of the honest node, and of its placement. */
let victim: string;
let placementId: string;

const CAPABILITIES = {
  arch: "x64",
  os: "linux",
  cpus: 1,
  memMiB: 1,
  diskMiB: 1,
  runtime: "none",
  maxOpset: 1,
  maxIrVersion: 1,
  providers: [],
};

const row = { inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, 2] }] };

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  folder = await mkdtemp(path.join(tmpdir(), "skerry-mallory-"));
  victim = (await cluster.addNode("edge-a").then(() => cluster.whenNode("edge-a", "ready"))).id;
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
  await cluster.deploy({ name: "echo", model: "echo", version: 1, placement: { edge: { min: 1 } } });
  await cluster.whenDeploymentReady("echo");
  placementId = (await cluster.placements("echo"))[0]?.id ?? "";
  mallory = await HostileNode.join(cluster, "mallory", folder);
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Claims {
  readonly header?: string;
  readonly nodeId?: string;
  readonly generation?: number;
  readonly nonce?: string;
  readonly origin?: string;
  readonly more?: object;
}

interface Heard {
  readonly type: string;
  readonly re?: number;
  readonly nonce?: string;
}

/** A socket after its first message was answered. */
interface Attempt {
  readonly socket: WebSocket;
  /** A close code, or the status of HTTP; undefined while it is open. */
  readonly endedWith: () => number | undefined;
  /** Messages that came. */
  readonly heard: readonly Heard[];
}

async function dial(channel: Channel, claims: Claims = {}): Promise<Attempt> {
  const { identity } = mallory;
  const { header = identity.nodeId, nodeId = identity.nodeId, generation = identity.generation, origin } = claims;
  const socket = new WebSocket(`ws://127.0.0.1:${cluster.port}${channelPath(channel)}`, ["skerry.v1"], {
    headers: { "Skerry-Node-Id": header, ...(origin !== undefined && { Origin: origin }) },
    perMessageDeflate: false,
  });
  const heard: Heard[] = [];
  let ended: number | undefined;
  socket.once("unexpected-response", (_request, response) => (ended ??= response.statusCode ?? 0));
  socket.once("close", (code) => (ended ??= code));
  socket.on("error", () => undefined);
  socket.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString("utf8"));
    heard.push(message);
    if (message.type !== "challenge") return;
    const { cpId } = identity;
    const text = sessionProofText({ cpId, channel, nodeId, generation, nonce: claims.nonce ?? message.nonce });
    const common = { id: 1, re: 1, nodeId, generation, signature: identity.sign(text) };
    const hello = {
      type: "hello",
      bootId: "b-1",
      agentVersion: "0.1.0",
      features: [],
      clock: "",
      capabilities: CAPABILITIES,
      lastEpoch: 0,
      desired: { rev: 0, digest: `sha256:${"0".repeat(64)}` },
      placements: [],
    };
    socket.send(JSON.stringify({ ...(channel === "control" ? hello : { type: "attach" }), ...common, ...claims.more }));
  });
  const isAnswered = (): boolean => heard.some(({ type }) => type === "welcome" || type === "attached");
  await until("it was answered", () => ended !== undefined || isAnswered());
  return { socket, endedWith: () => ended, heard };
}

const say = (message: object): string => JSON.stringify({ id: 7, epoch: 1, ...message });

/** Opens a session, says all of it at once, and tells what became of the session. */
async function afterSaying(...messages: readonly (string | Buffer)[]): Promise<number | "open"> {
  const { socket, endedWith, heard } = await dial("control");
  const last = say({ id: LAST, type: "heartbeat", acked: 0, desiredRev: 0, digest: `sha256:${"0".repeat(64)}` });
  for (const message of [...messages, last]) socket.send(message, { binary: typeof message !== "string" });
  const isTaken = (): boolean => heard.some(({ type, re }) => type === "heartbeat.ack" && re === LAST);
  const found = await until("all of it was taken, or the session ended", () => endedWith() ?? (isTaken() && "open"));
  socket.terminate();
  return found;
}

const aLoad = {
  type: "load",
  cpuPct: 1,
  memFreeMiB: 1,
  diskFreeMiB: 1,
  rttMs: 1,
  rif: 0,
  spool: { bytes: 0, dropped: 0 },
};
const aStatus = { type: "placement.status", generation: 1 };

/** What it says on its control channel, and what becomes of its session. */
const CLAIMS: readonly [string, () => readonly (string | Buffer)[], number | "open"][] = [
  ["bytes in place of text", () => [Buffer.from([1, 2, 3])], 1003],
  ["what is no JSON", () => ["{"], 4400],
  ["JSON that is 2,000 levels deep", () => [`${"[".repeat(2_000)}${"]".repeat(2_000)}`], 4400],
  ["a message that breaks its form", () => [say({ type: "heartbeat", acked: "all", desiredRev: -1 })], 4400],
  [
    "a message over 64 KiB",
    () => [say({ type: "log", seq: 1, dropped: 0, lines: [], fill: "x".repeat(70_000) })],
    1009,
  ],
  [
    "more than 100 messages at once",
    () => Array.from({ length: 140 }, () => say({ type: "desired.get", haveRev: 0 })),
    4429,
  ],
  ["a second hello", () => [say({ type: "hello" })], 4400],
  ["ten types that there are not", () => Array.from({ length: 11 }, (_, id) => say({ id, type: "sudo" })), 4400],
  [
    "__proto__ in a message",
    () => ['{"__proto__":{"isAdmin":true},"id":7,"epoch":1,"type":"desired.get","haveRev":0}'],
    "open",
  ],
  [
    "that another one's placement failed",
    () => [say({ ...aStatus, placementId, state: "failed", code: "LOAD_FAILED" })],
    4403,
  ],
  ["that another one's placement is gone", () => [say({ ...aStatus, placementId, state: "gone" })], 4403],
  [
    "that another one's placement is overloaded",
    () => [
      say({
        ...aLoad,
        placements: [
          { placementId, rif: 999, queued: 999, slots: 1, meanUs: 9e9, p95Us: 9e9, done: 0, failed: 99, rssMiB: 1 },
        ],
      }),
    ],
    4403,
  ],
  [
    "that it took a transfer which nobody offered",
    () => [say({ type: "transfer.done", transferId: "t-1", received: 1, reused: 0 })],
    "open",
  ],
  [
    "that it holds revision 2,000,000,000",
    () => [say({ type: "desired.ack", rev: 2_000_000_000, digest: `sha256:${"1".repeat(64)}` })],
    "open",
  ],
  [
    "a key that it cannot sign for",
    () => [say({ type: "key.rotate", publicKey: "k".repeat(43), sigOld: "s".repeat(86), sigNew: "s".repeat(86) })],
    "open",
  ],
  [
    "that it took, refused, broke off and failed transfers which nobody offered",
    () => [
      say({ type: "transfer.accept", transferId: "t-1" }),
      say({ type: "transfer.reject", transferId: "t-1", code: "NO_SPACE", retryMs: 1 }),
      say({ type: "transfer.resume", transferId: "t-1", retryMs: 1 }),
      say({ type: "transfer.failed", transferId: "t-1", code: "LOAD_FAILED", detail: "not what was offered" }),
    ],
    "open",
  ],
  [
    "answers to what nobody asked",
    () => [say({ type: "ok", re: 12_345 }), say({ type: "error", re: 12_345, code: "INTERNAL" })],
    "open",
  ],
  ["that it can do other things now", () => [say({ type: "capabilities", capabilities: CAPABILITIES })], "open"],
  ["that it wants the keys of callers", () => [say({ type: "caller.get", digest: "none" })], "open"],
  [
    "a line of a log in the words of a control plane",
    () => [
      say({
        type: "log",
        seq: 1,
        dropped: 0,
        lines: [{ level: "error", ageMs: 0, msg: "edge-a is removed", reason: "NodeRemoved" }],
      }),
    ],
    "open",
  ],
  ["that it has attached once more", () => [say({ type: "attach" })], "open"],
];

describe("a compromised node", () => {
  it.each<[string, Channel, () => Claims, number]>([
    ["in the name of another one", "control", () => ({ header: victim, nodeId: victim }), 4401],
    ["with another one's id behind its own", "control", () => ({ nodeId: victim }), 4401],
    ["with another generation", "control", () => ({ generation: 2 }), 4401],
    ["with a recorded signature", "control", () => ({ nonce: "n".repeat(43) }), 4401],
    ["as a node that there is not", "control", () => ({ header: "n-nobody" }), 401],
    ["with an epoch of its own making", "inference", () => ({ more: { epoch: 77 } }), 4411],
    ["with a ticket of its own making", "transfer", () => ({ more: { epoch: 77, ticket: "t".repeat(43) } }), 4403],
  ])("opens no channel %s", async (_, channel, claims, expected) => {
    const { socket, endedWith } = await dial(channel, claims());
    expect(endedWith()).toBe(expected);
    socket.terminate();
  });

  it.each(CHANNELS)("opens no %s channel from a browser's page", async (channel) => {
    const { endedWith } = await dial(channel, { origin: "https://evil.example" });
    expect(endedWith()).toBe(403);
  });

  it.each(CLAIMS)("says %s, and others notice nothing", async (_, messages, expected) => {
    expect(await afterSaying(...messages())).toBe(expected);
    expect(await cluster.whenNode("edge-a", "ready")).toMatchObject({ placements: [{ placementId, state: "ready" }] });
    const answer = await cluster.infer("echo", row);
    expect([answer.status, answer.headers.get("skerry-node")]).toEqual([200, "edge-a"]);
  });

  it("has been played through every message that a node can say", () => {
    const said = CLAIMS.flatMap(([, messages]) => messages()).map((message) => {
      const [, type] = /"type":"([^"]+)"/.exec(message.toString()) ?? [];
      return type;
    });
    expect(said).toEqual(expect.arrayContaining(nodeMessage.options.map(({ shape }) => shape.type.value)));
  });

  it("left no trace in what is known of the other one", async () => {
    const reasons = (await cluster.events())
      .filter(({ object, message }) => message.includes("echo") || object.includes("echo"))
      .map(({ reason }) => reason);
    expect(reasons).not.toContain("PlacementFailed");
    const { items } = await cluster.get<{ items: { action: string }[] }>("/audit?limit=50");
    const actions = items.map(({ action }) => action);
    expect(actions).not.toContain("node.rotate-key");
    // Three times, and told once in five minutes.
    expect(actions.filter((action) => action === "node.foreign-placement")).toHaveLength(1);
    expect(reasons).toContain("ForeignPlacement");
  });

  it("shows in the metrics, by each limit and rule that ended a socket of its", async () => {
    const text = await (await fetch(`${cluster.url}/metrics`)).text();
    const reasons = [...text.matchAll(/^skerry_node_sockets_ended_total\{reason="([^"]+)"\}/gm)].map(
      ([, reason]) => reason,
    );
    expect(reasons).toEqual(
      expect.arrayContaining([
        "bad-proof",
        "invalid-message",
        "not-yours",
        "too-big",
        "too-many-messages",
        "unsupported-data",
      ]),
    );
  });
});
