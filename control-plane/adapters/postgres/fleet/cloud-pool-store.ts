import { poolFindings, type PoolFindings } from "../../../../shared/api/v1/nodes/cloud-pools.ts";
import type { CloudPoolStore } from "../../../ports/cloud/cloud-pool.ts";
import type { LeaderFence, PlanOutcome } from "../../../ports/plan.ts";
import type { Database } from "../database.ts";
import { holdsLease } from "./leadership-store.ts";

/** What the leader found of the pools of cloud nodes. */
export class PostgresCloudPoolStore implements CloudPoolStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  record(fence: LeaderFence, pools: readonly PoolFindings[]): Promise<PlanOutcome> {
    return this.#database.transaction(async (tx) => {
      if (!(await holdsLease(tx, fence))) return "fenced";
      const names = pools.map(({ name }) => name);
      await tx.$executeRaw`DELETE FROM cloud_pools WHERE NOT name = ANY(${names}::text[])`;
      await tx.$executeRaw`
        INSERT INTO cloud_pools (name, findings)
        SELECT * FROM unnest(${names}::text[], ${pools.map((pool) => JSON.stringify(pool))}::jsonb[])
        ON CONFLICT (name) DO UPDATE SET findings = excluded.findings, recorded_at = now()`;
      return "committed";
    });
  }

  async list(): Promise<readonly (PoolFindings & { readonly recordedAgeMs: number })[]> {
    const rows = await this.#database.run(
      (client) => client.$queryRaw<{ findings: unknown; ageMs: number }[]>`
        SELECT findings, (extract(epoch FROM now() - recorded_at) * 1000)::float8 AS "ageMs" FROM cloud_pools ORDER BY name`,
    );
    return rows.map(({ findings, ageMs }) => ({ ...poolFindings.parse(findings), recordedAgeMs: Math.max(0, ageMs) }));
  }
}
