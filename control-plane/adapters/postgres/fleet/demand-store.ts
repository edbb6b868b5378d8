import { z } from "zod";
import { OWNER_GONE_MS } from "../../../core/fleet/node-status.ts";
import type { Demand, DemandReport } from "../../../core/scaling/demand.ts";
import type { DemandStore } from "../../../ports/demand.ts";
import type { Database } from "../database.ts";
import { CHANNEL } from "../events/events.ts";

interface Row {
  readonly replica: string;
  readonly deployment: string;
  readonly ratePerS: number;
  readonly serviceMs: number | null;
  readonly waiting: number;
  readonly slots: number;
  readonly hops: unknown;
}

/** By the id of the other replica, in ms. */
const hopsShape = z.record(z.string(), z.number());

/** What replicas measure of requests: a few rows each, which end with their replica. */
export class PostgresDemandStore implements DemandStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async report({ replica, demands, hops }: DemandReport): Promise<void> {
    const rows = [...demands].map(([deployment, demand]) => ({ deployment, ...demand }));
    await this.#database.run(
      (client) => client.$executeRaw`
        WITH t AS (
          SELECT * FROM unnest(${rows.map(({ deployment }) => deployment)}::text[], ${rows.map(({ ratePerS }) => ratePerS)}::float8[],
            ${rows.map(({ serviceMs }) => serviceMs ?? null)}::float8[], ${rows.map(({ waiting }) => Math.round(waiting))}::int[],
            ${rows.map(({ slots }) => slots)}::int[]) AS t (deployment, rate, service, waiting, slots)
        ), gone AS (
          DELETE FROM demands d
          WHERE d.replica NOT IN (SELECT id FROM control_plane_replicas)
            OR (d.replica = ${replica} AND d.deployment_name NOT IN (SELECT deployment FROM t))
        ), written AS (
          INSERT INTO demands (replica, deployment_name, rate_per_s, service_ms, waiting, slots)
          SELECT ${replica}, deployment, rate, service, waiting, slots FROM t
          WHERE deployment IN (SELECT name FROM deployments) AND ${replica} IN (SELECT id FROM control_plane_replicas)
          ON CONFLICT (replica, deployment_name) DO UPDATE SET
            rate_per_s = excluded.rate_per_s, service_ms = excluded.service_ms,
            waiting = excluded.waiting, slots = excluded.slots
        ), measured AS (
          UPDATE control_plane_replicas SET hops = ${JSON.stringify(Object.fromEntries(hops))}::jsonb WHERE id = ${replica}
        )
        SELECT pg_notify(${CHANNEL}, 'demand')`,
    );
  }

  async ofOthers(replica: string): Promise<readonly DemandReport[]> {
    const rows = await this.#database.run(
      (client) => client.$queryRaw<Row[]>`
        SELECT d.replica, d.deployment_name AS deployment, d.rate_per_s AS "ratePerS", d.service_ms AS "serviceMs",
          d.waiting, d.slots, r.hops
        FROM demands d JOIN control_plane_replicas r ON r.id = d.replica
        WHERE d.replica <> ${replica} AND r.last_seen_at > now() - ${OWNER_GONE_MS} * interval '1 millisecond'`,
    );
    return [...Map.groupBy(rows, (row) => row.replica)].map(([id, own]) => ({
      replica: id,
      demands: new Map(own.map((row) => [row.deployment, demandOf(row)])),
      hops: new Map(Object.entries(hopsShape.parse(own[0]?.hops ?? {}))),
    }));
  }
}

const demandOf = ({ ratePerS, serviceMs, waiting, slots }: Row): Demand => ({
  ratePerS,
  serviceMs: serviceMs ?? undefined,
  waiting,
  slots,
});
