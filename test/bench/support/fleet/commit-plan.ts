import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../../../../cli/dev/embedded-postgres.ts";
import { createPostgres, type PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { createEffects } from "../../../../control-plane/app/control-loop/effects/effects.ts";
import type { LeaderFence } from "../../../../control-plane/ports/plan.ts";
import { inTransactions, type Step } from "../../../../control-plane/core/reconcile/steps.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import type { LargeFleet } from "./large-fleet.ts";

/** Writes the steps of a plan as the control loop does, into a PostgreSQL of its own. Returns how long that took, in ms. */
export async function commitPlan(of: LargeFleet, steps: readonly Step[]): Promise<number> {
  const directory = await mkdtemp(path.join(tmpdir(), "skerry-bench-"));
  const server = await startEmbeddedPostgres({ directory, settings: { fsync: "off" } });
  try {
    const { url } = server;
    const stores = await createPostgres({ url, clock: systemClock, random: systemRandom, logger: silentLogger });
    await writeRows(server.url, of);
    const fence = await lead(stores);
    const execute = createEffects({
      plans: stores.plans,
      random: systemRandom,
      now: () => 0,
      onRollout: () => undefined,
    });
    const startedAt = performance.now();
    for (const together of inTransactions(steps)) {
      const outcome = await execute(together, fence);
      if (outcome !== "committed") throw new Error(`a transaction was ${outcome}`);
    }
    const ms = performance.now() - startedAt;
    await stores.close();
    return ms;
  } finally {
    await server.stop("immediate");
    await rm(directory, { recursive: true, force: true });
  }
}

/** PostgreSQL may be busy with the rows that were just written. */
async function lead({ leadership }: PostgresStores): Promise<LeaderFence> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const fence = await leadership.acquire("bench", 600_000);
      if (fence) return fence;
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

async function writeRows(url: string, { nodes, deployments, versions }: LargeFleet): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const digest = createHash("sha256").update("placement").digest("hex");
  await client.query(
    `INSERT INTO nodes (id, name, kind, site, zone, public_key)
     SELECT *, 'key' FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])`,
    (["id", "name", "kind", "site", "zone"] as const).map((column) => nodes.map((node) => node[column])),
  );
  await client.query("INSERT INTO artifacts (digest, manifest, bytes) VALUES ($1, '{}', 1)", [`sha256:${digest}`]);
  await client.query("INSERT INTO models (name) SELECT unnest($1::text[])", [versions.map(({ model }) => model)]);
  await client.query(
    `INSERT INTO model_versions (model_name, version, state, sha256, bytes, opset, ir_version, inputs, outputs, artifact_digest)
     SELECT model, 1, 'ready', $3, bytes, 17, 8, '[]', '[]', $4 FROM unnest($1::text[], $2::bigint[]) AS t (model, bytes)`,
    [versions.map(({ model }) => model), versions.map(({ bytes }) => bytes), digest, `sha256:${digest}`],
  );
  await client.query(
    "INSERT INTO deployments (name, spec) SELECT name, spec::jsonb FROM unnest($1::text[], $2::text[]) AS t (name, spec)",
    [deployments.map(({ name }) => name), deployments.map(({ spec }) => JSON.stringify(spec))],
  );
  await client.end();
}
