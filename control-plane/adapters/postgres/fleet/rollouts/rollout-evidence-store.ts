import { z } from "zod";
import { NOTHING_COUNTED } from "../../../../core/rollout/gate/evidence.ts";
import type { Wave } from "../../../../core/rollout/gate/measured.ts";
import type { RolloutEvidenceStore, WaveEvidence } from "../../../../ports/rollouts/rollout-evidence.ts";
import type { Database } from "../../database.ts";

const counts = z.object({
  requests: z.number(),
  errors: z.record(z.string(), z.number()),
  latency: z.object({ edge: z.array(z.number()), cloud: z.array(z.number()) }),
  crashes: z.number(),
  shadow: z.object({ compared: z.number(), agreed: z.number(), largestDifference: z.number() }),
});
const versions = z.object({
  old: counts,
  new: counts,
  /** A control plane of an earlier release writes none. */
  samples: z.object({ old: counts, new: counts }).optional(),
});

interface Row extends Wave {
  readonly counts: unknown;
}

/** What replicas count of the requests of rollouts: a row for each replica and deployment, of its newest wave. */
export class PostgresRolloutEvidenceStore implements RolloutEvidenceStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async report(replica: string, counted: readonly WaveEvidence[]): Promise<void> {
    await this.#database.run(
      (client) => client.$executeRaw`
        WITH t AS (
          SELECT * FROM unnest(${counted.map(({ deployment }) => deployment)}::text[], ${counted.map(({ rollout }) => rollout)}::int[],
            ${counted.map(({ wave }) => wave)}::int[], ${counted.map((each) => JSON.stringify({ old: each.old, new: each.new, samples: each.samples }))}::text[])
            AS t (deployment, rollout, wave, counts)
        ), gone AS (
          DELETE FROM rollout_evidence e USING t
          WHERE e.deployment_name = t.deployment AND (e.rollout, e.wave) < (t.rollout, t.wave) AND e.replica <> ${replica}
        )
        INSERT INTO rollout_evidence (deployment_name, replica, rollout, wave, counts)
        SELECT deployment, ${replica}, rollout, wave, counts::jsonb FROM t
        WHERE deployment IN (SELECT name FROM deployments)
        ON CONFLICT (deployment_name, replica) DO UPDATE SET
          rollout = excluded.rollout, wave = excluded.wave, counts = excluded.counts`,
    );
  }

  async ofOthers(replica: string, waves: readonly Wave[]): Promise<readonly WaveEvidence[]> {
    const rows = await this.#database.run(
      (client) => client.$queryRaw<Row[]>`
        SELECT e.deployment_name AS deployment, e.rollout, e.wave, e.counts
        FROM rollout_evidence e
        JOIN unnest(${waves.map(({ deployment }) => deployment)}::text[], ${waves.map(({ rollout }) => rollout)}::int[],
          ${waves.map(({ wave }) => wave)}::int[]) AS t (deployment, rollout, wave)
          ON t.deployment = e.deployment_name AND t.rollout = e.rollout AND t.wave = e.wave
        WHERE e.replica <> ${replica}`,
    );
    return rows.map(({ deployment, rollout, wave, counts: stored }) => {
      const { samples = NOTHING_COUNTED.samples, ...counted } = versions.parse(stored);
      return { deployment, rollout, wave, ...counted, samples };
    });
  }
}
