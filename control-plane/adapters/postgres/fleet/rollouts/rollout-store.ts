import { rolloutRecord } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import { toInstant } from "../../../../../shared/api/v1/common.ts";
import type { RolloutRow, RolloutStore } from "../../../../ports/rollouts/rollouts.ts";
import type { RolloutWrite } from "../../../../ports/plan.ts";
import type { Database } from "../../database.ts";
import { audit } from "../../events/audit.ts";
import { appendEvents } from "../../events/events.ts";
import { writeRollouts } from "./rollout-writes.ts";

/** What operators do with rollouts, and what is known of those that ended. */
export class PostgresRolloutStore implements RolloutStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  act(write: RolloutWrite, { action, why, actor }: Parameters<RolloutStore["act"]>[1]): Promise<boolean> {
    return this.#database.transaction(async (tx) => {
      const changed = await writeRollouts(tx, write);
      if (!changed) return false;
      const target = `deployment/${write.deployment}`;
      const detail = { number: write.before?.number ?? 0, ...(why !== undefined && { why }) };
      await audit(tx, actor, { action: `rollout.${action}`, target, detail });
      await appendEvents(tx, write.events, changed);
      return true;
    });
  }

  async history(deployment: string): Promise<readonly RolloutRow[]> {
    const rows = await this.#database.run((client) =>
      client.rollout.findMany({
        where: { deploymentName: deployment },
        orderBy: { number: "desc" },
        include: { nodes: { orderBy: { nodeId: "asc" } } },
      }),
    );
    return rows.map(({ number, record, nodes, beganAt, phaseAt, endedAt }) => ({
      number,
      record: rolloutRecord.parse({ ...objectOf(record), nodes: nodes.map(({ node }) => node) }),
      beganAt: toInstant(beganAt.getTime()),
      phaseAt: toInstant(phaseAt.getTime()),
      endedAt: endedAt === null ? null : toInstant(endedAt.getTime()),
    }));
  }
}

const objectOf = (json: unknown): object => (typeof json === "object" && json !== null ? json : {});
