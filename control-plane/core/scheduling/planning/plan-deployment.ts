import type { ExplainRecord } from "../../../../shared/api/v1/deployments/explain.ts";
import { versionKey } from "../../../../shared/base/version-key.ts";
import { isWanted, placementsOfDeployment, versionOf } from "../../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetPlacement, FleetVersion } from "../../fleet/types.ts";
import { lacksVariant } from "../../fleet/versions/variants.ts";
import { targetVersion } from "../../fleet/versions/versions.ts";
import type { Retry } from "./attempts.ts";
import type { Candidate, PlacementRequest } from "../candidates/candidate.ts";
import type { PlanContext } from "../context.ts";
import { diskNeedMiB } from "../needs/disk.ts";
import { errorSharesOf } from "../error-shares.ts";
import { memoryNeedMiB } from "../needs/memory.ts";
import { serviceTimesOf } from "../needs/service-time.ts";
import { variantSpeeds } from "../needs/variant-need.ts";
import { makingRoom, preemptorsOf, preemptorSentence, withPreemptors } from "./preemption/preemptors.ts";
import { planKind } from "./plan-kind.ts";
import type { Preempted } from "./preemption/preempt.ts";
import type { Decided } from "./preemption/victims.ts";
import { replaceOldVersions } from "./old-versions.ts";
import type { PlannedPlacement } from "./place-replicas.ts";

export interface DeploymentPlan {
  /** Undefined while the alias does not exist. */
  readonly targetVersion: number | undefined;
  readonly wanted: { readonly edge: number; readonly cloud: number };
  /** Its placements that are wanted, of any version. */
  readonly placements: readonly FleetPlacement[];
  readonly create: readonly PlannedPlacement[];
  /** Failed, and due to be tried again. */
  readonly retry: readonly Retry[];
  readonly remove: readonly {
    readonly placement: FleetPlacement;
    readonly why: string;
    /** It leaves before its successor is ready, since both do not fit. */
    readonly isBreak?: boolean;
  }[];
  /** One for each decision made now, those that found no node included. */
  readonly records: readonly ExplainRecord[];
  /** A sentence for every replica that cannot be placed; the same while its cause is. */
  readonly shortfall: readonly string[];
  /** Replicas that its minimums ask for and that have no place. */
  readonly lacking: number;
  /** Those of `shortfall` that are about cloud nodes. */
  readonly cloudShortfall: readonly string[];
  /** Those that make no progress on a node that is there. */
  readonly stalled: readonly FleetPlacement[];
  /** Placements of other deployments that leave for what is created. */
  readonly preempt: readonly Preempted[];
  /** A sentence for every replica that waits on its node until others have left it for it. */
  readonly makingRoom: readonly string[];
  /** A sentence for every deployment that was given the room of a replica of this one, while one has no place. */
  readonly preempted: readonly string[];
  /** A sentence for each site, or the fleet, from whose lost nodes replicas are not moved away. */
  readonly held: readonly string[];
  /** A sentence for every replica that waits on its node until an older version has left it. */
  readonly waiting: readonly string[];
  /** When this plan may differ though nothing has changed, in ms of the fleet's clock; undefined: never. */
  readonly wakeAt: number | undefined;
}

export interface PlanInput {
  readonly fleet: Fleet;
  readonly deployment: FleetDeployment;
  readonly context: PlanContext;
  /** What the plans of other deployments have decided before it. */
  readonly decided?: Decided | undefined;
}

/** A plan, and the candidates as the plan of the next deployment has to see them: with what this one places. */
export interface Planned {
  readonly plan: DeploymentPlan;
  readonly candidates: readonly Candidate[];
}

/**
 * What to create, retry and remove so that a deployment has its replicas: make before break. Replicas that stand
 * (alive, on a node that may keep them) count; what else there is of the version leaves only when enough ready ones stand.
 * Replicas of other versions leave by the rules of `replaceOldVersions`.
 */
export function planVersion(
  candidates: readonly Candidate[],
  { fleet, deployment, context, decided }: PlanInput,
): Planned {
  const target = targetVersion(fleet, deployment);
  const version = target === undefined ? undefined : versionOf(fleet, deployment.spec.model, target);
  const placements = placementsOfDeployment(fleet, deployment.name).filter(isWanted);
  const nothing = {
    targetVersion: target,
    placements,
    wanted: { edge: 0, cloud: 0 },
    create: [],
    retry: [],
    remove: [],
    records: [],
    lacking: 0,
    cloudShortfall: [],
    stalled: [],
    preempt: [],
    makingRoom: [],
    preempted: [],
    held: [],
    waiting: [],
    wakeAt: undefined,
  };
  if (!version || version.state !== "ready")
    return { plan: { ...nothing, shortfall: [missingVersion(deployment, version)] }, candidates };
  const lacks = lacksVariant(version, deployment.spec);
  if (lacks !== undefined) return { plan: { ...nothing, shortfall: [lacks] }, candidates };

  const need = needOf(deployment, version, { ...context, fleet });
  const edge = planKind("edge", { fleet, need, placements, candidates, context, decided });
  const cloud = planKind("cloud", { fleet, need, placements, candidates: edge.candidates, context, decided });
  const create = [...edge.create, ...cloud.create];
  const retry = [...edge.retry, ...cloud.retry];
  const wanted = { edge: edge.wanted, cloud: cloud.wanted };
  const isPlacing = create.length + retry.length > 0;
  const update = replaceOldVersions({ need, placements, wanted, candidates, isPlacing });
  const shortfall = [...edge.shortfall, ...cloud.shortfall];
  const preemptors = shortfall.length === 0 ? [] : preemptorsOf(fleet, deployment);
  const waits = [edge.wakeAt, cloud.wakeAt, update.wakeAt].filter((at) => at !== undefined);
  const plan: DeploymentPlan = {
    targetVersion: target,
    placements,
    wanted,
    create,
    retry,
    remove: [...edge.remove, ...cloud.remove, ...update.remove],
    records: [...edge.records, ...cloud.records].map((record) => withPreemptors(record, preemptors)),
    shortfall,
    lacking: edge.lacking + cloud.lacking,
    preempt: [...edge.preempt, ...cloud.preempt],
    makingRoom: makingRoom(fleet, placements),
    preempted: preemptors.map(preemptorSentence),
    cloudShortfall: cloud.shortfall,
    stalled: [...edge.stalled, ...cloud.stalled],
    held: [...new Set([...edge.held, ...cloud.held])].toSorted(),
    waiting: update.waiting,
    wakeAt: waits.length > 0 ? Math.min(...waits) : undefined,
  };
  return { plan, candidates: cloud.candidates };
}

export const needOf = (
  deployment: FleetDeployment,
  version: FleetVersion,
  { now, hops, fleet }: Pick<PlanContext, "now" | "hops"> & { readonly fleet?: Fleet },
): PlacementRequest => ({
  deployment,
  version,
  memMiB: memoryNeedMiB(version, deployment),
  diskMiB: diskNeedMiB(version),
  now,
  hops: hops?.get(deployment.name),
  serviceUs: fleet && serviceTimesOf(fleet, deployment.name),
  errorShares: fleet && errorSharesOf(fleet, now).ofVersion.get(versionKey(version.model, version.version)),
  ...(fleet && (version.variants ?? []).length > 0 && { speeds: variantSpeeds(fleet, version) }),
});

function missingVersion({ spec }: FleetDeployment, version: FleetVersion | undefined): string {
  const name = `${spec.model}:${spec.version}`;
  if (version) return `${name} is ${version.state}, so it cannot be placed`;
  return `${name} does not exist; see \`skerry models get ${spec.model}\``;
}
