import { createHash } from "node:crypto";
import type pg from "pg";

/** How large the fleet of a benchmark is. Placements and nodes are dealt out evenly. */
export interface FleetSize {
  readonly nodes: number;
  readonly placementsPerNode: number;
  readonly deployments: number;
}

const SITES = 20;
const MODEL_BYTES = 1_000_000;

export const nodeIdOf = (index: number): string => `n-${String(index).padStart(5, "0")}`;
export const nodeNameOf = (index: number): string => `edge-${String(index).padStart(5, "0")}`;
export const placementIdOf = (node: number, slot: number): string => `p-${String(node).padStart(5, "0")}-${slot}`;

/**
 * Writes a fleet whose placements are all ready, in one transaction and with columns that every build has. Each deployment
 * asks for as many replicas as it has, so there is nothing to plan. All nodes have the same key.
 */
export async function writeFleetRows(client: pg.Client, size: FleetSize, publicKey: string): Promise<void> {
  const { nodes, placementsPerNode, deployments } = size;
  const replicas = (nodes * placementsPerNode) / deployments;
  const digest = `sha256:${createHash("sha256").update("idle").digest("hex")}`;
  await client.query("BEGIN");
  await client.query(
    `INSERT INTO nodes (id, name, kind, site, zone, public_key)
     SELECT 'n-' || lpad(i::text, 5, '0'), 'edge-' || lpad(i::text, 5, '0'), 'edge', 'site-' || i % $2, 'zone-' || i % $2, $3
     FROM generate_series(0, $1::int - 1) AS i`,
    [nodes, SITES, publicKey],
  );
  await client.query("INSERT INTO artifacts (digest, manifest, bytes) VALUES ($1, '{}', $2)", [digest, MODEL_BYTES]);
  await client.query("INSERT INTO models (name) SELECT 'model-' || d FROM generate_series(0, $1::int - 1) AS d", [
    deployments,
  ]);
  await client.query(
    `INSERT INTO model_versions (model_name, version, state, sha256, bytes, opset, ir_version, inputs, outputs, artifact_digest)
     SELECT 'model-' || d, 1, 'ready', $2, $3, 17, 8, $4::jsonb, $4::jsonb, $5 FROM generate_series(0, $1::int - 1) AS d`,
    [
      deployments,
      digest.slice("sha256:".length),
      MODEL_BYTES,
      JSON.stringify([{ name: "x", datatype: "FP32", shape: [-1, 4] }]),
      digest,
    ],
  );
  await client.query(
    `INSERT INTO deployments (name, spec)
     SELECT 'model-' || d, jsonb_build_object('name', 'model-' || d, 'model', 'model-' || d, 'version', 1,
       'placement', jsonb_build_object('edge', jsonb_build_object('min', $2::int)), 'limits', jsonb_build_object('memMiB', 64))
     FROM generate_series(0, $1::int - 1) AS d`,
    [deployments, replicas],
  );
  await client.query(
    `INSERT INTO placements (id, deployment_name, model_name, version, node_id, explain, state, rss_mib, warm_us)
     SELECT 'p-' || lpad(i::text, 5, '0') || '-' || k, 'model-' || (i * $2 + k) % $3, 'model-' || (i * $2 + k) % $3, 1,
       'n-' || lpad(i::text, 5, '0'), $4::jsonb || jsonb_build_object('id', 'x-' || i || '-' || k), 'ready', 40, 100
     FROM generate_series(0, $1::int - 1) AS i, generate_series(0, $2::int - 1) AS k`,
    [nodes, placementsPerNode, deployments, JSON.stringify(EXPLAIN)],
  );
  await client.query("COMMIT");
}

const EXPLAIN = {
  id: "",
  modelVersion: "model:1",
  deployment: "model",
  generation: 1,
  profile: "default-1",
  trigger: "deployment-changed",
  kind: "edge",
  evaluated: 1,
  feasible: 1,
  rejected: {},
  rejections: [],
  top: [],
  chosen: [],
  margin: null,
  tieBreak: null,
  sentence: "written by a benchmark",
};
