import { versionKey } from "../../../../../shared/base/version-key.ts";
import { z } from "zod";
import { Prisma } from "../../../../../prisma/generated/client.ts";
import { labelMap } from "../../../../../shared/api/v1/common.ts";
import { deploymentFindings } from "../../../../../shared/api/v1/deployments/deployments.ts";
import { deploymentSpec } from "../../../../../shared/api/v1/deployments/deployment-spec.ts";
import { explainRecord, type ExplainRecord } from "../../../../../shared/api/v1/deployments/explain.ts";
import { encoderModel } from "../../../../../shared/text/encoder-model.ts";
import { engineModel } from "../../../../../shared/text/engine-model.ts";
import { textModel } from "../../../../../shared/text/text-model.ts";
import { pipelineFacts, tensorSpec } from "../../../../../shared/protocol/model-files/manifest.ts";
import { versionRelease } from "../../../../../shared/protocol/model-files/release.ts";
import { variantFacts } from "../../../../../shared/protocol/model-files/variants.ts";
import { capabilities } from "../../../../../shared/protocol/messages/capabilities.ts";
import type { FleetKeys } from "../../../../core/fleet/changes/fleet-keys.ts";
import type { FleetRows, RecordedNode, RecordedSession } from "../../../../core/fleet/types.ts";
import type { FleetStore } from "../../../../ports/plan.ts";
import type { Database, Transaction } from "../../database.ts";
import {
  toFleetDeployment,
  toFleetPlacement,
  toFleetVersion,
  toRecordedNode,
  toRecordedSession,
} from "./fleet-rows.ts";
import type { DeploymentRow, NodeRow, PlacementRow, SessionRow, VersionRow } from "./row-types.ts";
import { storedHistories, storedRollout } from "./stored-json.ts";
import { ParseOnce } from "../../parse-once.ts";

/** A record names every refused node: of a thousand nodes it has about 120 kB. */
const RECORDS_PER_READ = 100;

interface Snapshot {
  readonly nodes: readonly NodeRow[];
  readonly deployments: readonly DeploymentRow[];
  readonly versions: readonly VersionRow[];
  readonly aliases: FleetRows["aliases"];
  readonly placements: readonly PlacementRow[];
  /** The database's time of the snapshot, in ms since 1970. */
  readonly readAt: number;
}

/** The two clocks are compared at each read; a difference below this is the time that the question took. */
const CLOCK_TOLERANCE_MS = 250;

/**
 * Reads the fleet, or a part of it, in one snapshot, but for the explain records: they never change once written, so they are read beside
 * it and only once. What was decoded is remembered, too.
 */
export class PostgresFleetStore implements FleetStore {
  readonly #database: Database;
  readonly #labels = new ParseOnce(labelMap);
  readonly #capabilities = new ParseOnce(capabilities);
  readonly #specs = new ParseOnce(deploymentSpec);
  readonly #findings = new ParseOnce(deploymentFindings);
  readonly #rollouts = new ParseOnce(storedRollout);
  readonly #signatures = new ParseOnce(z.array(tensorSpec));
  readonly #texts = new ParseOnce(textModel);
  readonly #encoders = new ParseOnce(encoderModel);
  readonly #engines = new ParseOnce(engineModel);
  readonly #pipelines = new ParseOnce(pipelineFacts);
  readonly #variants = new ParseOnce(z.array(variantFacts));
  readonly #releases = new ParseOnce(versionRelease);
  readonly #histories = new ParseOnce(storedHistories);
  readonly #explains = new Map<string, ExplainRecord>();
  #offset = Number.NaN;

  constructor(database: Database) {
    this.#database = database;
  }

  async liveness(replica: string, now: number): Promise<readonly RecordedSession[]> {
    const rows = await this.#database.run(
      (client) => client.$queryRaw<(SessionRow & { readonly readAt: number })[]>`
        SELECT s.node_id AS "nodeId", ${SESSION_COLUMNS}, ${READ_AT} AS "readAt"
        FROM node_sessions s LEFT JOIN control_plane_replicas r ON r.id = s.replica
        WHERE s.replica <> ${replica}`,
    );
    return rows.map((row) => toRecordedSession(row, this.#offsetAt(now, row.readAt)));
  }

  async load(now: number, keys?: FleetKeys): Promise<FleetRows> {
    for (;;) {
      const snapshot = await (keys
        ? this.#database.run((client) => readPart(client, keys))
        : this.#database.snapshot(readSnapshot));
      if (!keys) this.#forgetRecords(snapshot.placements);
      // A placement that was deleted since has no record any more: then this snapshot is of the past.
      if (await this.#readRecords(snapshot.placements)) {
        const rows = this.#toRows(snapshot, now);
        if (!keys) this.#endPass();
        return rows;
      }
    }
  }

  /** The same as before while the clocks go alike, so that a row that did not change has the same instants. */
  #offsetAt(now: number, readAt: number): number {
    const offset = now - readAt;
    if (!(Math.abs(offset - this.#offset) < CLOCK_TOLERANCE_MS)) this.#offset = offset;
    return this.#offset;
  }

  #toRows({ nodes, deployments, versions, aliases, placements, readAt }: Snapshot, now: number): FleetRows {
    const offset = this.#offsetAt(now, readAt);
    return {
      nodes: nodes.map((row) => this.#toNode(row, offset)),
      deployments: deployments.map((row) => this.#toDeployment(row, offset)),
      versions: versions.map((row) => this.#toVersion(row)),
      aliases,
      placements: placements.map((row) => toFleetPlacement(row, this.#recordOf(row.id), offset)),
    };
  }

  #endPass(): void {
    for (const cache of [this.#labels, this.#capabilities, this.#specs, this.#findings, this.#signatures])
      cache.endPass();
    for (const cache of [this.#rollouts, this.#texts, this.#encoders, this.#engines, this.#pipelines]) cache.endPass();
    for (const cache of [this.#releases, this.#histories, this.#variants]) cache.endPass();
  }

  #toNode(row: NodeRow, offset: number): RecordedNode {
    const known = row.capabilities === null ? undefined : this.#capabilities.get(row.id, row.capabilities);
    const histories = row.history === null ? undefined : this.#histories.get(row.id, row.history);
    const json = { labels: this.#labels.get(row.id, row.labels), capabilities: known, histories };
    return toRecordedNode(row, json, offset);
  }

  #toDeployment(row: DeploymentRow, offset: number): FleetRows["deployments"][number] {
    const findings = row.status === null ? undefined : this.#findings.get(row.name, row.status);
    const rollout = row.rollout === null ? undefined : this.#rollouts.get(row.name, row.rollout);
    return toFleetDeployment(row, { spec: this.#specs.get(row.name, row.spec), findings, rollout }, offset);
  }

  #toVersion(row: VersionRow): FleetRows["versions"][number] {
    const key = versionKey(row.model, row.version);
    return toFleetVersion(row, {
      inputs: this.#signatures.get(`${key}/inputs`, row.inputs),
      outputs: this.#signatures.get(`${key}/outputs`, row.outputs),
      text: row.text === null ? undefined : this.#texts.get(key, row.text),
      encoder: row.encoder === null ? undefined : this.#encoders.get(key, row.encoder),
      engine: row.engine === null ? undefined : this.#engines.get(key, row.engine),
      pipeline: row.pipeline === null ? undefined : this.#pipelines.get(key, row.pipeline),
      variants: row.variants === "[]" ? [] : this.#variants.get(key, row.variants),
      release: row.release === null ? undefined : this.#releases.get(key, row.release),
    });
  }

  #forgetRecords(placements: readonly PlacementRow[]): void {
    const wanted = new Set<string>(placements.map(({ id }) => id));
    for (const id of this.#explains.keys()) if (!wanted.has(id)) this.#explains.delete(id);
  }

  /** Makes the records of these placements known. False when one of them is gone. */
  async #readRecords(placements: readonly PlacementRow[]): Promise<boolean> {
    const missing: string[] = placements.map(({ id }) => id).filter((id) => !this.#explains.has(id));
    for (let at = 0; at < missing.length; at += RECORDS_PER_READ) {
      const ids = missing.slice(at, at + RECORDS_PER_READ);
      const rows = await this.#database.run(
        (client) => client.$queryRaw<{ id: string; explain: string }[]>`
          SELECT id, explain::text AS explain FROM placements WHERE id = ANY(${ids}::text[])`,
      );
      for (const { id, explain } of rows) this.#explains.set(id, explainRecord.parse(JSON.parse(explain)));
    }
    return missing.every((id) => this.#explains.has(id));
  }

  #recordOf(id: string): ExplainRecord {
    const record = this.#explains.get(id);
    if (!record) throw new Error(`the explain record of the placement ${id} was not read`);
    return record;
  }
}

async function readSnapshot(tx: Transaction): Promise<Snapshot> {
  return {
    nodes: await tx.$queryRaw<NodeRow[]>(nodeRows()),
    deployments: await tx.$queryRaw<DeploymentRow[]>(deploymentRows()),
    versions: await tx.$queryRaw<VersionRow[]>(versionRows()),
    aliases: await tx.$queryRaw<AliasRow[]>(aliasRows()),
    placements: await tx.$queryRaw<PlacementRow[]>(placementRows()),
    readAt: await readTime(tx),
  };
}

const READ_AT = Prisma.sql`(extract(epoch FROM now()) * 1000)::float8`;

const SESSION_COLUMNS = Prisma.sql`
  s.epoch, s.open, (extract(epoch FROM s.opened_at) * 1000)::float8 AS "openedAt", s.replica, s.agent_version AS "agentVersion",
  (extract(epoch FROM s.last_seen_at) * 1000)::float8 AS "seenAt",
  s.ready AS "isReady", s.load::text AS load, s.announced,
  s.disconnects, (extract(epoch FROM s.disconnected_at) * 1000)::float8 AS "disconnectedAt",
  (extract(epoch FROM r.last_seen_at) * 1000)::float8 AS "ownerSeenAt"`;

async function readTime(tx: Transaction): Promise<number> {
  const [row] = await tx.$queryRaw<{ at: number }[]>`SELECT ${READ_AT} AS at`;
  return row?.at ?? 0;
}

type AliasRow = FleetRows["aliases"][number];

/** The rows of each table as JSON text. */
const partSnapshot = z.object({
  nodes: z.string(),
  deployments: z.string(),
  versions: z.string(),
  aliases: z.string(),
  placements: z.string(),
  readAt: z.number(),
});

/**
 * What `keys` name, by one statement: that is a snapshot without a transaction. With one statement for each table in a
 * transaction of its own, a change took six round trips to be read.
 */
async function readPart(client: Pick<Transaction, "$queryRaw">, keys: FleetKeys): Promise<Snapshot> {
  const ofNodes = among(keys.nodes);
  const ofDeployments = among(keys.deployments);
  const ofModels = among(keys.models);
  const rows = await client.$queryRaw<unknown[]>`SELECT
    ${asJson(ofNodes && nodeRows(Prisma.sql`WHERE n.id = ${ofNodes}`))} AS nodes,
    ${asJson(ofNodes && placementRows(Prisma.sql`WHERE node_id = ${ofNodes}`))} AS placements,
    ${asJson(ofDeployments && deploymentRows(Prisma.sql`WHERE name = ${ofDeployments}`))} AS deployments,
    ${asJson(ofModels && versionRows(Prisma.sql`WHERE model_name = ${ofModels}`))} AS versions,
    ${asJson(ofModels && aliasRows(Prisma.sql`WHERE model_name = ${ofModels}`))} AS aliases,
    ${READ_AT} AS "readAt"`;
  const part = partSnapshot.parse(rows[0]);
  return {
    nodes: JSON.parse(part.nodes),
    deployments: JSON.parse(part.deployments),
    versions: JSON.parse(part.versions),
    aliases: JSON.parse(part.aliases),
    placements: JSON.parse(part.placements),
    readAt: part.readAt,
  };
}

const among = (names: readonly string[] = []): Prisma.Sql | undefined =>
  names.length > 0 ? Prisma.sql`ANY(${[...names]}::text[])` : undefined;

const asJson = (rows: Prisma.Sql | undefined): Prisma.Sql =>
  rows ? Prisma.sql`(SELECT coalesce(json_agg(part), '[]')::text FROM (${rows}) AS part)` : Prisma.sql`'[]'`;

const nodeRows = (where = Prisma.empty): Prisma.Sql => Prisma.sql`
  SELECT n.id, n.name, n.kind, n.site, n.zone, n.labels::text AS labels, n.capabilities::text AS capabilities,
    n.generation, n.cordoned, n.draining, n.revoked, n.desired_rev AS "desiredRev",
    (extract(epoch FROM n.drain_deadline) * 1000)::float8 AS "drainDeadline", n.drain_removes AS "drainRemoves",
    n.drain_announced AS "drainAnnounced",
    (extract(epoch FROM n.waiting_until) * 1000)::float8 AS "waitingUntil", n.waiting_from AS "waitingFrom",
    CASE WHEN n.waiting_until IS NOT NULL THEN n.public_key END AS "waitingKey",
    n.kubernetes_namespace AS "kubernetesNamespace", (extract(epoch FROM n.created_at) * 1000)::float8 AS "createdAt",
    (SELECT json_agg(json_build_object('model', h.model_name, 'version', h.version, 'loadFailures', h.load_failures,
        'memMiB', h.attempt_mem_mib, 'agent', h.attempt_agent, 'evictedAt', (extract(epoch FROM h.evicted_at) * 1000)::float8)
        ORDER BY h.model_name, h.version)::text
      FROM version_histories h WHERE h.node_id = n.id) AS history,
    ${SESSION_COLUMNS}
  FROM nodes n LEFT JOIN node_sessions s ON s.node_id = n.id LEFT JOIN control_plane_replicas r ON r.id = s.replica ${where}`;

const deploymentRows = (where = Prisma.empty): Prisma.Sql => Prisma.sql`
  SELECT name, spec::text AS spec, generation, (extract(epoch FROM created_at) * 1000)::float8 AS "createdAt",
    status::text AS status, observed_generation AS "observedGeneration", (extract(epoch FROM status_at) * 1000)::float8 AS "statusAt",
    kubernetes_namespace AS "kubernetesNamespace",
    (SELECT json_build_object('number', number, 'revision', revision, 'record', record || jsonb_build_object('nodes',
          (SELECT coalesce(jsonb_agg(n.node ORDER BY (n.node->>'wave')::int, n.node->>'node'), '[]') FROM rollout_nodes n
            WHERE n.deployment_name = rollouts.deployment_name AND n.number = rollouts.number)),
        'beganAt', (extract(epoch FROM began_at) * 1000)::float8, 'phaseAt', (extract(epoch FROM phase_at) * 1000)::float8,
        'endedAt', (extract(epoch FROM ended_at) * 1000)::float8)::text
      FROM rollouts WHERE deployment_name = deployments.name ORDER BY number DESC LIMIT 1) AS rollout
  FROM deployments ${where}`;

const versionRows = (where = Prisma.empty): Prisma.Sql => Prisma.sql`
  SELECT model_name AS model, version, state, artifact_digest AS artifact, damage, bytes::float8 AS bytes, opset, ir_version AS "irVersion",
    text::text AS text, encoder::text AS encoder, engine::text AS engine, pipeline::text AS pipeline, variants::text AS variants, release::text AS release, (extract(epoch FROM created_at) * 1000)::float8 AS "createdAt", inputs::text AS inputs, outputs::text AS outputs
  FROM model_versions ${where}`;

const aliasRows = (where = Prisma.empty): Prisma.Sql => Prisma.sql`
  SELECT model_name AS model, alias, version FROM aliases ${where}`;

const placementRows = (where = Prisma.empty): Prisma.Sql => Prisma.sql`
  SELECT id, deployment_name AS deployment, model_name AS model, version, node_id AS "nodeId", generation, wanted,
    (extract(epoch FROM decided_at) * 1000)::float8 AS "decidedAt", state,
    (extract(epoch FROM state_since) * 1000)::float8 AS "stateAt",
    failure_code AS "failureCode", failure_detail AS "failureDetail", rss_mib AS "rssMiB", warm_us AS "warmUs",
    sharing, limit_mib AS "limitMiB", measured_mib AS "measuredMiB", host,
    attempt_mem_mib AS "attemptMemMiB", attempt_agent AS "attemptAgent"
  FROM placements ${where}`;
