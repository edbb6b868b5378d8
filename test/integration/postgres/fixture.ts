import { createHash } from "node:crypto";
import pg from "pg";
import { createPostgres, type PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import type { CheckedModel } from "../../../control-plane/ports/catalog/catalog.ts";
import type { Actor } from "../../../control-plane/ports/access/audit.ts";
import type { NewEvent } from "../../../control-plane/ports/events.ts";
import type { JoinAttempt } from "../../../control-plane/ports/nodes/nodes.ts";
import type { LeaderFence, NewPlacement } from "../../../control-plane/ports/plan.ts";
import { deploymentSpec, type DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { ExplainRecord } from "../../../shared/api/v1/deployments/explain.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { newId, type NodeId, type PlacementId } from "../../../shared/base/ids.ts";
import { artifactDigest, manifest, type Manifest } from "../../../shared/protocol/model-files/manifest.ts";
import { capabilities } from "../../../shared/protocol/messages/capabilities.ts";
import { systemRandom } from "../../../shared/base/random.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { until } from "../../support/processes/skerry-process.ts";

/** The first transaction of a process takes seconds on a machine that others keep busy. A control plane refuses it after 2 s. */
export const PATIENT_MS = 20_000;

/** Stores whose calls wait `answerMs` for PostgreSQL at most. */
export const openStores = (url: string, answerMs = PATIENT_MS): Promise<PostgresStores> =>
  createPostgres({ url, clock: systemClock, random: systemRandom, logger: silentLogger, answerMs });

/** A connection beside the stores, to look and to disturb. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

export const alice: Actor = {
  name: "alice",
  role: "admin",
  keyId: "k-1",
  models: [],
  address: "127.0.0.1",
  requestId: "req-1",
};

export const event = (message: string, object = "test/it"): NewEvent => ({
  type: "Normal",
  reason: "Happened",
  object,
  message,
});

export const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");

export const someCapabilities = capabilities.parse({
  arch: "x64",
  os: "linux",
  cpus: 4,
  memMiB: 8_192,
  diskMiB: 10_000,
  runtime: "onnxruntime 1.30.0",
  maxOpset: 22,
  maxIrVersion: 11,
  providers: ["cpu"],
});

/** A token for an edge node at the harbour; its secret is its id. */
export async function makeToken(
  stores: PostgresStores,
  over: { name?: string; ttlSeconds?: number; uses?: number; needsApproval?: boolean } = {},
): Promise<string> {
  const id = newId<string>("t", systemRandom);
  const labels = { floor: "2" };
  const where = { kind: "edge", site: "harbour", zone: "pier-1" } as const;
  await stores.nodes.createToken(
    {
      id,
      secretHash: hashOf(id),
      ...where,
      name: over.name,
      labels,
      ttlSeconds: over.ttlSeconds ?? 600,
      uses: over.uses ?? 1,
      needsApproval: over.needsApproval ?? false,
    },
    alice,
  );
  return id;
}

export const attemptWith = (tokenId: string, over: Partial<JoinAttempt> = {}): JoinAttempt => ({
  tokenId,
  secretHash: hashOf(tokenId),
  name: "edge-a",
  kind: "edge",
  publicKey: "key-1",
  newNodeId: newId<NodeId>("n", systemRandom),
  from: { address: "198.51.100.7", requestId: "req-join" },
  ...over,
});

export async function joinNode(stores: PostgresStores, name: string): Promise<NodeId> {
  const joined = await stores.sessions.join(
    attemptWith(await makeToken(stores), { name, publicKey: `key of ${name}` }),
  );
  if (!joined) throw new Error(`${name} could not join`);
  return joined.nodeId;
}

export const openingOf = (nodeId: NodeId) => ({
  nodeId,
  generation: 1,
  lastEpoch: 0,
  desiredRev: 0,
  replica: "r-1",
  bootId: "b-1",
  agentVersion: "0.1.0",
  capabilities: someCapabilities,
});

export function checkedModel(model: string, version: number, content = "weights"): CheckedModel {
  const bytes = Buffer.from(content);
  const parsed: Manifest = manifest.parse({
    v: 1,
    model,
    version: String(version),
    chunker: "gear-64k-256k-1m",
    files: [
      { name: "model.onnx", size: bytes.length, sha256: hashOf(content), chunks: [[bytes.length, hashOf(content)]] },
    ],
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
    irVersion: 8,
    opsets: { "ai.onnx": 17 },
    limits: { memMiB: 256, maxBatch: 8, timeoutMs: 1_000 },
  });
  const { inputs, outputs, irVersion } = parsed;
  return {
    manifest: parsed,
    artifact: artifactDigest(parsed),
    opset: 17,
    irVersion,
    producer: "test",
    inputs,
    outputs,
    notes: [],
  };
}

/** A version of one file. */
export const declarationOf = (model: string, uploadId: string) => ({
  model,
  runtime: "onnx" as const,
  main: "model.onnx",
  files: [{ path: "model.onnx", bytes: 7, sha256: hashOf("weights") }],
  labels: {},
  metrics: {},
  uploadId,
});

/** Declares, checks and accepts the next version of `model`, which is made when missing. Returns its number. */
export async function readyVersion(stores: PostgresStores, model = "digits"): Promise<number> {
  if (!(await stores.catalog.getModel(model))) await stores.catalog.createModel({ name: model, labels: {} }, alice);
  const uploadId = newId<string>("u", systemRandom);
  const declared = await stores.catalog.declareVersion(declarationOf(model, uploadId), alice);
  const { version } = declared.version;
  await stores.catalog.beginCheck(uploadId);
  await stores.catalog.accept(uploadId, checkedModel(model, version), event("checked"));
  return version;
}

export const specOf = (name: string, over: { model?: string; version?: number | string } = {}): DeploymentSpec =>
  deploymentSpec.parse({ name, model: over.model ?? "digits", version: over.version ?? 1 });

const explainOf = (node: string): ExplainRecord => ({
  id: `x-${node}`,
  modelVersion: "digits:1",
  deployment: "digits",
  generation: 1,
  profile: "default",
  trigger: "test",
  kind: "edge",
  evaluated: 2,
  feasible: 1,
  rejected: { cordoned: 1 },
  rejections: [{ node: "edge-z", code: "cordoned", verdict: "not now", sentence: "edge-z is cordoned" }],
  top: [],
  chosen: [node],
  margin: null,
  tieBreak: null,
  sentence: `${node} was the only one`,
});

export const anAttempt = { memMiB: 512, agent: "agent 0.1.0" };

/** A placement of `digits:1` for the deployment `digits`. */
export const placementOn = (nodeId: NodeId, over: Partial<NewPlacement> = {}): NewPlacement => ({
  id: newId<PlacementId>("p", systemRandom),
  deployment: "digits",
  deploymentGeneration: 1,
  attempt: anAttempt,
  model: "digits",
  version: 1,
  nodeId,
  explain: explainOf(nodeId),
  ...over,
});

export async function lead(stores: PostgresStores, holder = "r-1"): Promise<LeaderFence> {
  const fence = await stores.leadership.acquire(holder, 60_000);
  if (!fence) throw new Error("somebody else leads");
  return fence;
}

export const placementsOf = async (stores: PostgresStores) => (await stores.fleet.load(0)).placements;

export async function nodeOf(stores: PostgresStores, name: string) {
  const node = (await stores.fleet.load(0)).nodes.find((row) => row.name === name);
  if (!node) throw new Error(`there is no node ${name}`);
  return node;
}

export const messagesOf = async (stores: PostgresStores): Promise<string[]> =>
  (await stores.events.read({ after: null, limit: 500, newest: false, object: undefined })).map(
    ({ message }) => message,
  );

/** Until some session of this database waits for a lock. */
export const untilSomebodyWaits = (sql: pg.Client): Promise<unknown> =>
  until("a session waits for a lock", async () => {
    const { rowCount } = await sql.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return rowCount === 1;
  });
