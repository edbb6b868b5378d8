import type { DeploymentFindings } from "../../../shared/api/v1/deployments/deployments.ts";
import type { ExplainRecord, RoomReason } from "../../../shared/api/v1/deployments/explain.ts";
import type { RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import { unionOf, type FleetKeys } from "../fleet/changes/fleet-keys.ts";
import type { DrainTransition } from "../fleet/drains.ts";
import type { Transition } from "../fleet/transitions.ts";
import type { FleetPlacement, FleetRollout, PlacementAttempt } from "../fleet/types.ts";
import type { RolloutChange } from "../rollout/change.ts";

/** What becomes of the rows of placements. */
export interface PlacementSteps {
  readonly "placement.create": {
    readonly deployment: string;
    readonly deploymentGeneration: number;
    readonly model: string;
    readonly version: number;
    readonly nodeId: NodeId;
    readonly node: string;
    readonly record: ExplainRecord;
    readonly attempt: PlacementAttempt;
  };
  /** A failed placement is started again. */
  readonly "placement.retry": {
    readonly placement: FleetPlacement;
    readonly node: string;
    readonly why: string;
    readonly attempt: PlacementAttempt;
  };
  /** Its desired state becomes absent; the row stays until the node has removed it. */
  readonly "placement.remove": {
    readonly placement: FleetPlacement;
    readonly node: string;
    readonly why: string;
    /** It leaves before its successor is ready. */
    readonly isBreak?: boolean;
    /** The deployment that it makes room for, and why that has it. */
    readonly preemptedBy?: string;
    readonly reason?: RoomReason;
  };
  /** Its row is deleted: nothing of it is left on the node. */
  readonly "placement.delete": { readonly placement: FleetPlacement; readonly node: string };
}

export interface StatusEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: "DeploymentStalled" | "DeploymentRecovered" | "ScaledUp" | "ScaledDown" | "Thrashing";
  readonly message: string;
}

/** What the API shows of a deployment, found by the plan itself. */
export interface StatusSteps {
  readonly "status.write": {
    readonly deployment: string;
    /** The generation that was planned for: another one makes the write `stale`. */
    readonly generation: number;
    readonly findings: DeploymentFindings;
    /** One when something came in the way of the deployment, is another thing than before, or is gone; one when it was scaled. */
    readonly events: readonly StatusEvent[];
  };
}

/** What is recorded of nodes. */
export interface NodeSteps {
  /** What they have become is announced, and kept as announced. */
  readonly "node.announce": { readonly transitions: readonly Transition[] };
  /** Drains that have ended, or are past their deadlines, are announced, and kept as announced. */
  readonly "node.announce-drains": { readonly drains: readonly DrainTransition[] };
}

/** What is recorded of rollouts. */
export interface RolloutSteps {
  readonly "rollout.write": {
    readonly deployment: string;
    /** The generation that was looked at: another one makes the write `stale`. */
    readonly generation: number;
    /** The newest rollout as it was read: another revision makes the write `stale`. Undefined: there is none. */
    readonly before: FleetRollout | undefined;
    /** What becomes of it; undefined: it stays. */
    readonly newest: RolloutChange | undefined;
    /** The rollout that begins; undefined: none. */
    readonly next: RolloutChange | undefined;
  };
}

/** A new domain (`pool.*`) adds its interface here, its sentences below and its file in app/control-loop/effects. */
interface StepBodies extends PlacementSteps, StatusSteps, NodeSteps, RolloutSteps {}

export type StepKind = keyof StepBodies;

/** The steps of `Kind`, all of them by default. */
export type Step<Kind extends StepKind = StepKind> = {
  readonly [Each in Kind]: { readonly kind: Each } & StepBodies[Each];
}[Kind];

/** New placements that are written in one transaction, at most: a plan for thousands would else take as many transactions. */
const MAX_TOGETHER = 200;

export const isCreate = (step: Step): step is Step<"placement.create"> => step.kind === "placement.create";

/** The steps in their order, one for each transaction, but new placements that follow each other together. */
export function inTransactions(steps: readonly Step[]): readonly (readonly Step[])[] {
  const all: Step[][] = [];
  for (const step of steps) {
    const last = all.at(-1);
    const isNext = isCreate(step) && last?.every(isCreate) === true && last.length < MAX_TOGETHER;
    if (isNext) last.push(step);
    else all.push([step]);
  }
  return all;
}

/** One function for each kind of `Kinds`; a missing one does not compile. */
export type StepTable<Kinds extends StepKind, Args extends readonly unknown[], Result> = {
  readonly [Kind in Kinds]: (step: Step<Kind>, ...args: Args) => Result;
};

/** Calls the entry of `table` for the step's kind: the only place that chooses by kind. */
export const dispatch = <Kind extends StepKind, Args extends readonly unknown[], Result>(
  table: StepTable<Kind, Args, Result>,
  step: Step<Kind>,
  ...args: Args
): Result => table[step.kind](step, ...args);

/** What of the fleet is another after these steps. */
export const keysOf = (steps: readonly Step[]): FleetKeys => unionOf(steps.map((step) => dispatch(KEYS, step)));

const ofNode = ({ placement }: { readonly placement: FleetPlacement }): FleetKeys => ({ nodes: [placement.nodeId] });

const KEYS: StepTable<StepKind, [], FleetKeys> = {
  "placement.create": ({ nodeId }) => ({ nodes: [nodeId] }),
  "placement.retry": ofNode,
  "placement.remove": ofNode,
  "placement.delete": ofNode,
  "status.write": ({ deployment }) => ({ deployments: [deployment] }),
  "rollout.write": ({ deployment }) => ({ deployments: [deployment] }),
  "node.announce": ({ transitions }) => ({ nodes: transitions.map(({ nodeId }) => nodeId) }),
  "node.announce-drains": ({ drains }) => ({ nodes: drains.map(({ nodeId }) => nodeId) }),
};

/** A plan in English, for tests and logs. */
export const describePlan = (steps: readonly Step[]): readonly string[] =>
  steps.map((step) => dispatch(SENTENCES, step));

const SENTENCES: StepTable<StepKind, [], string> = {
  "placement.create": ({ model, version, node, record: { variant } }) =>
    `place ${model}:${version}${variant ? ` (${variant.name})` : ""} on ${node}`,
  "placement.retry": ({ placement, node }) => `retry ${nameOf(placement)} on ${node}`,
  "placement.remove": ({ placement, node, why }) => `remove ${nameOf(placement)} from ${node}: ${why}`,
  "placement.delete": ({ placement, node }) => `delete ${nameOf(placement)} on ${node}`,
  "status.write": ({ deployment, generation, findings }) =>
    `write the status of ${deployment} at generation ${generation}: ${findings.conditions
      .map(({ type, status, reason }) => `${type}=${status} ${reason}`)
      .join(", ")}`,
  "rollout.write": ({ deployment, before, newest, next }) =>
    `rollout of ${deployment}: ${[
      ...(newest ? [rolloutSentence(newest.record, before?.record)] : []),
      ...(next ? [rolloutSentence(next.record, undefined)] : []),
    ].join("; ")}`,
  "node.announce": ({ transitions }) =>
    transitions.map(({ event: { reason, object } }) => `record ${reason} of ${object}`).join("; "),
  "node.announce-drains": ({ drains }) =>
    drains.map(({ event: { reason, object } }) => `record ${reason} of ${object}`).join("; "),
};

function rolloutSentence(record: RolloutRecord, before: RolloutRecord | undefined): string {
  if (record.phase !== before?.phase || record.wave !== before.wave) return `${record.phase}, ${record.reason}`;
  if (record.waitsFor !== null && record.waitsFor.sentence !== before.waitsFor?.sentence)
    return record.waitsFor.sentence;
  const was = new Map(before.nodes.map(({ nodeId, state }) => [nodeId, state]));
  const changed = record.nodes.filter(({ nodeId, state }) => was.get(nodeId) !== state);
  return changed.length === 0 ? record.phase : changed.map(({ node, state }) => `${node} is ${state}`).join(", ");
}

const nameOf = ({ model, version }: FleetPlacement): string => `${model}:${version}`;
