import { z } from "zod";
import { labelMap } from "../../../shared/api/common.ts";
import { deploymentSpec } from "../../../shared/api/deployments.ts";
import { explainRecord, type ExplainRecord } from "../../../shared/api/explain.ts";
import { tensorSpec } from "../../../shared/protocol/manifest.ts";
import { capabilities } from "../../../shared/protocol/messages.ts";
import type { FleetRows } from "../../core/fleet/types.ts";
import type { FleetStore } from "../../ports.ts";
import type { Database, Transaction } from "./database.ts";
import {
  toFleetDeployment,
  toFleetNode,
  toFleetPlacement,
  toFleetVersion,
  type DeploymentRow,
  type NodeRow,
  type PlacementRow,
  type VersionRow,
} from "./fleet-rows.ts";
import { ParseOnce } from "./parse-once.ts";

/** Reads the fleet in one snapshot. Remembers what it decoded; an explain record, once written, is not even read again. */
export class PostgresFleetStore implements FleetStore {
  readonly #database: Database;
  readonly #labels = new ParseOnce(labelMap);
  readonly #capabilities = new ParseOnce(capabilities);
  readonly #specs = new ParseOnce(deploymentSpec);
  readonly #signatures = new ParseOnce(z.array(tensorSpec));
  #explains: ReadonlyMap<string, ExplainRecord> = new Map();

  constructor(database: Database) {
    this.#database = database;
  }

  load(now: number): Promise<FleetRows> {
    return this.#database.snapshot(async (tx) => {
      const placements = await readPlacements(tx);
      this.#explains = await this.#explainsOf(tx, placements);
      const rows: FleetRows = {
        nodes: (await readNodes(tx)).map((row) => this.#toNode(row, now)),
        deployments: (await readDeployments(tx)).map((row) => toFleetDeployment(row, this.#specs.get(row.name, row.spec))),
        versions: (await readVersions(tx)).map((row) => this.#toVersion(row)),
        aliases: await tx.$queryRaw<{ model: string; alias: string; version: number }[]>`
          SELECT model_name AS model, alias, version FROM aliases`,
        placements: placements.map((row) => toFleetPlacement(row, this.#explainOf(row.id), now)),
      };
      for (const cache of [this.#labels, this.#capabilities, this.#specs, this.#signatures]) cache.endPass();
      return rows;
    });
  }

  #toNode(row: NodeRow, now: number): FleetRows["nodes"][number] {
    const known = row.capabilities === null ? undefined : this.#capabilities.get(row.id, row.capabilities);
    return toFleetNode(row, { labels: this.#labels.get(row.id, row.labels), capabilities: known }, now);
  }

  #toVersion(row: VersionRow): FleetRows["versions"][number] {
    const key = `${row.model}:${row.version}`;
    return toFleetVersion(row, {
      inputs: this.#signatures.get(`${key}/inputs`, row.inputs),
      outputs: this.#signatures.get(`${key}/outputs`, row.outputs),
    });
  }

  /** The records of these placements. They name every refused node, so in a big fleet they outweigh all else. */
  async #explainsOf(tx: Transaction, placements: readonly PlacementRow[]): Promise<ReadonlyMap<string, ExplainRecord>> {
    const known = placements.flatMap(({ id }) => {
      const explain = this.#explains.get(id);
      return explain ? [[id, explain] as const] : [];
    });
    const missing = placements.filter(({ id }) => !this.#explains.has(id)).map(({ id }) => id);
    if (missing.length === 0 && known.length === this.#explains.size) return this.#explains;
    const read = await tx.$queryRaw<{ id: string; explain: string }[]>`
      SELECT id, explain::text AS explain FROM placements WHERE id = ANY(${missing}::text[])`;
    return new Map([...known, ...read.map(({ id, explain }) => [id, explainRecord.parse(JSON.parse(explain))] as const)]);
  }

  #explainOf(id: string): ExplainRecord {
    const explain = this.#explains.get(id);
    if (!explain) throw new Error(`the placement ${id} has no explain record in its own snapshot`);
    return explain;
  }
}

const readNodes = (tx: Transaction): Promise<NodeRow[]> => tx.$queryRaw`
  SELECT n.id, n.name, n.kind, n.site, n.zone, n.labels::text AS labels, n.capabilities::text AS capabilities,
    n.generation, n.cordoned, n.draining, n.revoked, n.desired_rev AS "desiredRev",
    (extract(epoch FROM n.created_at) * 1000)::float8 AS "createdAt",
    s.epoch, s.open, s.replica, s.agent_version AS "agentVersion",
    (extract(epoch FROM now() - s.last_seen_at) * 1000)::float8 AS "silentMs"
  FROM nodes n LEFT JOIN node_sessions s ON s.node_id = n.id`;

const readDeployments = (tx: Transaction): Promise<DeploymentRow[]> => tx.$queryRaw`
  SELECT name, spec::text AS spec, generation, (extract(epoch FROM created_at) * 1000)::float8 AS "createdAt" FROM deployments`;

const readVersions = (tx: Transaction): Promise<VersionRow[]> => tx.$queryRaw`
  SELECT model_name AS model, version, state, artifact_digest AS artifact, bytes, opset, ir_version AS "irVersion",
    inputs::text AS inputs, outputs::text AS outputs
  FROM model_versions`;

const readPlacements = (tx: Transaction): Promise<PlacementRow[]> => tx.$queryRaw`
  SELECT id, deployment_name AS deployment, model_name AS model, version, node_id AS "nodeId", generation, wanted,
    (extract(epoch FROM now() - decided_at) * 1000)::float8 AS "decidedMs", state,
    (extract(epoch FROM now() - state_since) * 1000)::float8 AS "stateMs",
    failure_code AS "failureCode", failure_detail AS "failureDetail", rss_mib AS "rssMiB", warm_us AS "warmUs"
  FROM placements`;
