import { Prisma } from "../../../../prisma/generated/client.ts";
import type { NodeId, PlacementId } from "../../../../shared/base/ids.ts";
import type { FleetKeys } from "../../../core/fleet/changes/fleet-keys.ts";
import type { PlacementAttempt } from "../../../core/fleet/types.ts";
import type { DrainTransition } from "../../../core/fleet/drains.ts";
import type { Transition } from "../../../core/fleet/transitions.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type {
  LeaderFence,
  NewStatus,
  PlacementCreation,
  PlanOutcome,
  PlanStore,
  RolloutWrite,
} from "../../../ports/plan.ts";
import type { Database, Transaction } from "../database.ts";
import { appendEvents } from "../events/events.ts";
import { insertPlacements, lockTargets } from "./create-placements.ts";
import { holdsLease } from "./leadership-store.ts";
import { writeRollouts } from "./rollouts/rollout-writes.ts";
import { noteEviction } from "./nodes/version-history.ts";

interface PlacementRow {
  readonly id: PlacementId;
  readonly generation: number;
}

/**
 * What the leader writes. Locks are taken in the order of the whole adapter (README): lease, deployment, node, placement;
 * the node's lock is what makes a cordon and a placement on that node happen one after the other.
 */
export class PostgresPlanStore implements PlanStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  createPlacements(fence: LeaderFence, creations: readonly PlacementCreation[]): Promise<PlanOutcome> {
    return this.#database.transaction(async (tx) => {
      if (!(await holdsLease(tx, fence))) return "fenced";
      const accepted = await lockTargets(tx, creations);
      const written = accepted.length === 0 ? new Set<string>() : await insertPlacements(tx, accepted);
      const committed = accepted.filter(({ placement }) => written.has(placement.id));
      if (committed.length === 0) return "stale";
      await appendEvents(
        tx,
        committed.flatMap(({ event, warning }) => (warning ? [event, warning] : [event])),
        { nodes: [...new Set(committed.map(({ placement }) => placement.nodeId))] },
      );
      return "committed";
    });
  }

  retryPlacement(
    fence: LeaderFence,
    placement: PlacementRow & { readonly attempt: PlacementAttempt },
    event: NewEvent,
  ): Promise<PlanOutcome> {
    return this.#change(fence, placement, {
      event,
      change: Prisma.sql`
        UPDATE placements
        SET generation = generation + 1, state = 'offered', state_since = now(),
          failure_code = NULL, failure_detail = NULL, rss_mib = NULL, warm_us = NULL,
          sharing = NULL, limit_mib = NULL, host = NULL,
          attempt_mem_mib = ${placement.attempt.memMiB}, attempt_agent = ${placement.attempt.agent}
        WHERE id = ${placement.id} AND generation = ${placement.generation} AND state = 'failed' AND wanted <> 'gone'`,
    });
  }

  /**
   * The generation stays: the node is told by leaving the placement out of its document, so what it then says of it
   * (`draining`, `gone`) carries the generation that it knows.
   */
  removePlacement(
    fence: LeaderFence,
    placement: PlacementRow & { readonly isEvicted?: boolean },
    event: NewEvent,
  ): Promise<PlanOutcome> {
    return this.#change(fence, placement, {
      event,
      alsoRun: placement.isEvicted === true ? noteEviction(placement.id) : undefined,
      change: Prisma.sql`
        UPDATE placements SET wanted = 'gone'
        WHERE id = ${placement.id} AND generation = ${placement.generation} AND wanted <> 'gone'`,
    });
  }

  deletePlacement(fence: LeaderFence, placement: PlacementRow, event: NewEvent): Promise<PlanOutcome> {
    return this.#change(fence, placement, {
      event,
      change: Prisma.sql`
        DELETE FROM placements WHERE id = ${placement.id} AND generation = ${placement.generation} AND wanted = 'gone'`,
    });
  }

  writeStatus(
    fence: LeaderFence,
    { deployment, generation, findings }: NewStatus,
    events: readonly NewEvent[] = [],
  ): Promise<PlanOutcome> {
    return this.#fenced(fence, events, async (tx) => {
      const changed = await tx.$executeRaw`
        UPDATE deployments
        SET status = ${JSON.stringify(findings)}::jsonb, observed_generation = ${generation}, status_at = now()
        WHERE name = ${deployment} AND generation = ${generation}`;
      return changed > 0 ? { deployments: [deployment] } : undefined;
    });
  }

  writeRollout(fence: LeaderFence, write: RolloutWrite): Promise<PlanOutcome> {
    return this.#fenced(fence, write.events, (tx) => writeRollouts(tx, write));
  }

  setDraining(fence: LeaderFence, node: { id: NodeId; draining: boolean }, event: NewEvent): Promise<PlanOutcome> {
    return this.#fenced(fence, [event], async (tx) => {
      const changed = await tx.$executeRaw`
        UPDATE nodes
        SET draining = ${node.draining}, drain_deadline = NULL, drain_removes = false, drain_announced = NULL, desired_rev = desired_rev + 1, row_version = row_version + 1
        WHERE id = ${node.id} AND NOT revoked AND draining <> ${node.draining}`;
      return changed > 0 ? { nodes: [node.id] } : undefined;
    });
  }

  announce(fence: LeaderFence, transitions: readonly Transition[]): Promise<PlanOutcome> {
    return this.#database.transaction(async (tx) => {
      if (!(await holdsLease(tx, fence))) return "fenced";
      const rows = await tx.$queryRaw<{ nodeId: string }[]>`
        WITH t AS (
          SELECT * FROM unnest(${transitions.map(({ nodeId }) => nodeId)}::text[], ${transitions.map(({ from }) => from ?? null)}::text[],
            ${transitions.map(({ to }) => to)}::text[]) AS t (node_id, before, announced)
        ), locked AS MATERIALIZED (
          SELECT node_id FROM node_sessions WHERE node_id IN (SELECT node_id FROM t) ORDER BY node_id FOR NO KEY UPDATE
        )
        UPDATE node_sessions s SET announced = t.announced
        FROM locked JOIN t USING (node_id) WHERE s.node_id = t.node_id AND s.announced IS NOT DISTINCT FROM t.before
        RETURNING s.node_id AS "nodeId"`;
      const announced = new Set(rows.map(({ nodeId }) => nodeId));
      if (announced.size === 0) return "stale";
      await appendEvents(
        tx,
        transitions.filter(({ nodeId }) => announced.has(nodeId)).map(({ event }) => event),
        { nodes: [...announced] },
      );
      return "committed";
    });
  }

  announceDrains(fence: LeaderFence, drains: readonly DrainTransition[]): Promise<PlanOutcome> {
    return this.#database.transaction(async (tx) => {
      if (!(await holdsLease(tx, fence))) return "fenced";
      const rows = await tx.$queryRaw<{ id: string }[]>`
        WITH t AS (
          SELECT * FROM unnest(${drains.map(({ nodeId }) => nodeId)}::text[], ${drains.map(({ revision }) => revision)}::float8[],
            ${drains.map(({ to }) => to)}::text[]) AS t (id, deadline, announced)
        ), locked AS MATERIALIZED (
          SELECT id FROM nodes WHERE id IN (SELECT id FROM t) ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE nodes n SET drain_announced = t.announced
        FROM locked JOIN t USING (id) WHERE n.id = t.id AND n.draining AND NOT n.revoked AND (extract(epoch FROM n.drain_deadline) * 1000)::float8 = t.deadline
          AND n.drain_announced IS DISTINCT FROM t.announced AND n.drain_announced IS DISTINCT FROM 'done'
        RETURNING n.id`;
      const announced = new Set(rows.map(({ id }) => id));
      if (announced.size === 0) return "stale";
      await appendEvents(
        tx,
        drains.filter(({ nodeId }) => announced.has(nodeId)).map(({ event }) => event),
        { nodes: [...announced] },
      );
      return "committed";
    });
  }

  #change(
    fence: LeaderFence,
    { id }: PlacementRow,
    { event, change, alsoRun }: { event: NewEvent; change: Prisma.Sql; alsoRun?: Prisma.Sql | undefined },
  ): Promise<PlanOutcome> {
    return this.#fenced(fence, [event], async (tx) => {
      await tx.$queryRaw`
        SELECT n.id FROM placements p JOIN nodes n ON n.id = p.node_id WHERE p.id = ${id} FOR NO KEY UPDATE OF n`;
      const nodes = await tx.$queryRaw<{ id: string }[]>`
        WITH changed AS (${change} RETURNING node_id) ${RAISE_DESIRED_REV} RETURNING nodes.id`;
      if (nodes.length > 0 && alsoRun) await tx.$executeRaw(alsoRun);
      return nodes.length > 0 ? { nodes: nodes.map((node) => node.id) } : undefined;
    });
  }

  /** `work` returns what it changed: undefined is `stale`, and then it must have changed nothing. */
  #fenced(
    fence: LeaderFence,
    events: readonly NewEvent[],
    work: (tx: Transaction) => Promise<FleetKeys | undefined>,
  ): Promise<PlanOutcome> {
    return this.#database.transaction(async (tx) => {
      if (!(await holdsLease(tx, fence))) return "fenced";
      const changed = await work(tx);
      if (!changed) return "stale";
      await appendEvents(tx, events, changed);
      return "committed";
    });
  }
}

/** Follows a `changed` that names the node: nothing changed raises nothing. */
const RAISE_DESIRED_REV = Prisma.sql`
  UPDATE nodes SET desired_rev = desired_rev + 1 FROM changed WHERE nodes.id = changed.node_id`;
