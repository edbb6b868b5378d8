import { ENDED_PHASES, RUNNING_PHASES, type RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { versionOf } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../fleet/types.ts";
import { declaredVersion, rolloutOf, targetVersion } from "../fleet/versions/versions.ts";
import { enter, rollBack, SYSTEM, withWhy, type Author, type RolloutChange } from "./change.ts";
import { wavesOf } from "./waves.ts";

/** What follows from what a deployment declares now. Each part is undefined when there is nothing of it to write. */
export interface Declared {
  /** What becomes of the newest rollout. */
  readonly newest: RolloutChange | undefined;
  /** The rollout that begins after it. */
  readonly next: RolloutChange | undefined;
}

const NOTHING: Declared = { newest: undefined, next: undefined };

/**
 * Whether a rollout begins or ends because of what the deployment declares: another version that is ready begins one, and takes
 * the place of one that is under way; the old version again ends it by returning. Without `rollout` in the spec, with another
 * model, and while the deployment is paused none goes on. A version from which a rollout has returned is not tried again by itself.
 */
export function declared(fleet: Fleet, deployment: FleetDeployment, at: string): Declared {
  const author: Author = { who: SYSTEM, at };
  const known = deployment.rollout?.record;
  const why = known?.current === true ? whyOutdated(deployment, known) : undefined;
  if (known && why !== undefined) return { newest: outdate(known, author, why), next: undefined };
  if (deployment.spec.rollout === undefined || deployment.spec.paused === true) return NOTHING;
  const version = declaredVersion(fleet, deployment);
  if (version === undefined || versionOf(fleet, deployment.spec.model, version)?.state !== "ready") return NOTHING;
  const record = rolloutOf(deployment)?.record;
  const stable = targetVersion(fleet, deployment);
  if (record?.declared === version) return NOTHING;
  if (version === stable) return record ? { newest: asDeclared(record, author, version), next: undefined } : NOTHING;
  if (stable === undefined) return NOTHING;
  const next = firstRecord(deployment, { from: stable, to: version, declared: version, by: SYSTEM }, author);
  if (!record || !isOpen(record)) return { newest: undefined, next };
  const name = `${record.model}:${version}`;
  return { newest: supersede(record, author, `${name} takes the place of ${record.to}`), next };
}

/** The record of a rollout before its first step. */
export function firstRecord(
  { spec }: FleetDeployment,
  of: Pick<RolloutRecord, "from" | "to" | "declared" | "by"> & { readonly isPlain?: boolean },
  author: Author,
): RolloutChange | undefined {
  const { from, to, by } = of;
  const { model, rollout } = spec;
  if (!rollout) return undefined;
  const { strategy, bakeSeconds, gate, freeze = [], approval = [] } = rollout;
  // A return is no trial: all nodes at once, at any time, without a time to prove anything.
  const plan = of.isPlain === true ? RETURN : { strategy, waves: [...wavesOf(rollout)], bakeSeconds, freeze, approval };
  const first: RolloutRecord = {
    model,
    from,
    to,
    declared: of.declared,
    ...plan,
    gate,
    approvals: [],
    waitsFor: null,
    phase: "pending",
    resumes: null,
    wave: 1,
    share: 0,
    nodes: [],
    reason: "",
    by,
    findings: [],
    foundAt: null,
    passed: [],
    notes: [],
    current: true,
  };
  const reason = withWhy(`${by} starts the ${plan.strategy} rollout from ${model}:${from} to ${to}`, author);
  return enter(first, author, { phase: "pending", reason, event: "RolloutStarted" });
}

const RETURN = {
  strategy: "blue-green" as const,
  waves: [{ percent: 100 }],
  bakeSeconds: 0,
  freeze: [],
  approval: [],
};

function whyOutdated({ spec }: FleetDeployment, record: RolloutRecord): string | undefined {
  if (spec.rollout === undefined) return "the deployment has no rollouts any more";
  if (record.model !== spec.model) return `the deployment is one of ${spec.model} now`;
  // One that returns goes on: else the version from which it returns were tried again after the pause.
  return spec.paused === true && RUNNING_PHASES.includes(record.phase) ? "the deployment is paused" : undefined;
}

const isOpen = ({ phase }: RolloutRecord): boolean => !ENDED_PHASES.includes(phase);

/** The record says no more at which version the deployment is; one that was under way ends. */
function outdate(record: RolloutRecord, author: Author, why: string): RolloutChange {
  const change = isOpen(record) ? supersede(record, author, why) : { record, events: [] };
  return { ...change, record: { ...change.record, current: false } };
}

const supersede = (record: RolloutRecord, author: Author, why: string): RolloutChange =>
  enter(record, author, {
    phase: "superseded",
    reason: `the rollout to ${record.to} ends: ${why}`,
    event: "RolloutSuperseded",
    with: { share: 0 },
  });

/** The deployment declares the version again that it is at: what is on its way returns. */
function asDeclared(record: RolloutRecord, author: Author, version: number): RolloutChange {
  const noted = { ...record, declared: version };
  if (!RUNNING_PHASES.includes(record.phase)) return { record: noted, events: [] };
  return rollBack(noted, author, { why: `the deployment declares ${version} again`, cause: "declared-again" });
}
