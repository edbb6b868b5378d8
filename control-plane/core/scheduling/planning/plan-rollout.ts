import type { ExplainRecord } from "../../../../shared/api/v1/deployments/explain.ts";
import type { NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import type { RolloutRecord } from "../../../../shared/api/v1/rollouts/rollouts.ts";
import { isWanted, placementsOfDeployment, versionOf } from "../../fleet/queries.ts";
import type { FleetPlacement } from "../../fleet/types.ts";
import { lacksVariant } from "../../fleet/versions/variants.ts";
import { candidateOf } from "../candidates/candidate-list.ts";
import type { Candidate, PlacementRequest } from "../candidates/candidate.ts";
import { STATIC_FILTERS } from "../profile.ts";
import { firstRefusal } from "../candidates/rank.ts";
import { placeReplicas, type PlannedPlacement } from "./place-replicas.ts";
import { needOf, type DeploymentPlan, type Planned, type PlanInput } from "./plan-deployment.ts";
import { planKind, withChanged } from "./plan-kind.ts";

/** Share of the wanted replicas that may be without a version at once where two do not fit on a node; one always may. */
const BREAK_SHARE = 0.1;

type RolloutInput = PlanInput & { readonly record: RolloutRecord };
type Removal = DeploymentPlan["remove"][number];

/**
 * The plan of a deployment that is between two versions. The old version keeps all its replicas, as if nothing else were
 * there, so that it can take all requests at any time; the new one is placed on the members of the rollout, beside it. Only
 * where both do not fit on a node, and with `recreate`, the old one leaves first. Other versions leave.
 */
export function planRollout(candidates: readonly Candidate[], input: RolloutInput): Planned {
  const { fleet, deployment, context, record } = input;
  const placements = placementsOfDeployment(fleet, deployment.name).filter(isWanted);
  const old = versionOf(fleet, record.model, record.from);
  const fresh = versionOf(fleet, record.model, record.to);
  const lacks = fresh && lacksVariant(fresh, deployment.spec);
  const stable =
    old?.state === "ready"
      ? planOld(candidates, { ...input, need: needOf(deployment, old, { ...context, fleet }), placements })
      : { ...NOTHING, candidates };
  const next =
    fresh?.state === "ready" && lacks === undefined
      ? planFresh(stable.candidates, { ...input, need: needOf(deployment, fresh, { ...context, fleet }), placements })
      : {
          create: [],
          records: [],
          shortfall: lacks === undefined ? [] : [lacks],
          candidates: stable.candidates,
          remove: [],
          waiting: [],
        };
  const others = placements.filter(({ version, model }) => model !== record.model || !isOf(record, version));
  const plan: DeploymentPlan = {
    targetVersion: record.to,
    placements,
    wanted: stable.wanted,
    create: [...stable.create, ...next.create],
    retry: stable.retry,
    remove: [
      ...stable.remove,
      ...next.remove,
      ...others.map((placement) => ({ placement, why: `the rollout is from ${record.from} to ${record.to}` })),
    ],
    records: [...stable.records, ...next.records],
    shortfall: [...stable.shortfall, ...next.shortfall],
    lacking: stable.lacking,
    cloudShortfall: stable.cloudShortfall,
    stalled: stable.stalled,
    preempt: [],
    makingRoom: [],
    preempted: [],
    held: stable.held,
    waiting: next.waiting,
    wakeAt: earliest([stable.wakeAt, ...stallsOf(next.candidates, placements, record)], context.now),
  };
  return { plan, candidates: next.candidates };
}

const isOf = ({ from, to }: RolloutRecord, version: number): boolean => version === from || version === to;

const NOTHING = {
  wanted: { edge: 0, cloud: 0 },
  create: [],
  retry: [],
  remove: [],
  records: [],
  shortfall: [],
  lacking: 0,
  cloudShortfall: [],
  stalled: [],
  held: [],
  wakeAt: undefined,
} satisfies Partial<DeploymentPlan>;

type VersionInput = RolloutInput & {
  readonly need: PlacementRequest;
  readonly placements: readonly FleetPlacement[];
};

/** The replicas of the old version. Where it made way on a node the new one stands for it, and it does not come back there. */
function planOld(candidates: readonly Candidate[], input: VersionInput) {
  const { fleet, need, context, placements, record } = input;
  const hasOld = new Set(placements.filter(({ version }) => version === record.from).map(({ nodeId }) => nodeId));
  const replaced = placements.filter(({ version, nodeId }) => version === record.to && !hasOld.has(nodeId));
  const closed = new Set<string>(record.nodes.map(({ nodeId }) => nodeId));
  const of = (kind: NodeKind, present: readonly Candidate[]) =>
    planKind(kind, {
      fleet,
      need,
      placements,
      candidates: present,
      context,
      closed,
      fewer: replaced.filter(({ nodeId }) => fleet.nodes.get(nodeId)?.kind === kind).length,
    });
  const edge = of("edge", candidates);
  const cloud = of("cloud", edge.candidates);
  return {
    wanted: { edge: edge.wanted, cloud: cloud.wanted },
    create: [...edge.create, ...cloud.create],
    retry: [...edge.retry, ...cloud.retry],
    remove: [...edge.remove, ...cloud.remove],
    records: [...edge.records, ...cloud.records],
    shortfall: [...edge.shortfall, ...cloud.shortfall],
    lacking: edge.lacking + cloud.lacking,
    cloudShortfall: cloud.shortfall,
    stalled: [...edge.stalled, ...cloud.stalled],
    held: [...new Set([...edge.held, ...cloud.held])].toSorted(),
    wakeAt: earliest([edge.wakeAt, cloud.wakeAt], context.now),
    candidates: cloud.candidates,
  };
}

interface Fresh {
  readonly create: readonly PlannedPlacement[];
  readonly records: readonly ExplainRecord[];
  readonly shortfall: readonly string[];
  readonly candidates: readonly Candidate[];
  readonly remove: readonly Removal[];
  readonly waiting: readonly string[];
}

/** The replicas of the new version: one on each member that is there. */
function planFresh(candidates: readonly Candidate[], input: VersionInput): Fresh {
  const { need, context, placements, record } = input;
  const create: PlannedPlacement[] = [];
  const records: ExplainRecord[] = [];
  const shortfall: string[] = [];
  let present = candidates;
  const isThere = new Set(placements.filter(({ version }) => version === record.to).map(({ nodeId }) => nodeId));
  for (const { nodeId, state } of record.nodes) {
    const candidate = candidateOf(present, nodeId);
    if (!candidate || candidate.state !== "ready" || state === "failed" || isThere.has(candidate.node.id)) continue;
    const placing = placeReplicas(1, candidate.node.kind, { need, candidates: [candidate], context });
    create.push(...placing.create);
    records.push(...placing.records);
    shortfall.push(...placing.shortfall);
    present = withChanged(present, placing.candidates);
  }
  return { create, records, shortfall, candidates: present, ...makeWay(present, input) };
}

/** What leaves a node: the new version where it may not stay, the old one where it is in the way. */
function makeWay(candidates: readonly Candidate[], { need, placements, record }: VersionInput) {
  const at = (nodeId: string): Candidate | undefined => candidateOf(candidates, nodeId);
  const name = `${need.version.model}:${need.version.version}`;
  const fresh = placements.filter(({ version }) => version === record.to);
  const remove: Removal[] = fresh.flatMap((placement) => {
    const why = whyNotHere(at(placement.nodeId), need);
    return why === undefined ? [] : [{ placement, why }];
  });
  const oldOn = ({ nodeId }: FleetPlacement): FleetPlacement | undefined =>
    placements.find((each) => each.nodeId === nodeId && each.version === record.from);
  const isHeld = (placement: FleetPlacement): boolean => {
    const candidate = at(placement.nodeId);
    if (candidate?.state !== "ready") return false;
    const isForMemory = placement.state === "staged" && candidate.held.has(placement.id);
    return candidate.diskHeld.has(placement.id) || (isForMemory && phaseOf(record) !== "staging");
  };
  const held = fresh.filter((placement) => isHeld(placement) && oldOn(placement) !== undefined);
  // A node that is lost, or on which the new version failed, ends nothing soon: it must not keep all others waiting.
  const interrupted = fresh.filter(
    (placement) =>
      !["ready", "failed"].includes(placement.state) &&
      at(placement.nodeId)?.state !== "lost" &&
      oldOn(placement) === undefined,
  );
  const most = Math.max(1, Math.floor(BREAK_SHARE * fresh.length)) - interrupted.length;
  const allowed = record.strategy === "recreate" ? held.length : Math.max(0, most);
  const why =
    record.strategy === "recreate"
      ? `the deployment says that it leaves before ${name} loads`
      : `${name} does not fit beside it and loads when it has left`;
  const leaving = held.slice(0, allowed).flatMap((placement) => oldOn(placement) ?? []);
  return {
    remove: [...remove, ...leaving.map((placement) => ({ placement, why, isBreak: true }))],
    waiting: held.map(
      (placement) =>
        `${name} waits on ${at(placement.nodeId)?.node.name ?? placement.nodeId} until ${record.from} has left`,
    ),
  };
}

/** The phase that a paused rollout will go on with. */
const phaseOf = ({ phase, resumes }: RolloutRecord): RolloutRecord["phase"] =>
  phase === "paused" ? (resumes ?? phase) : phase;

function whyNotHere(candidate: Candidate | undefined, need: PlacementRequest): string | undefined {
  if (!candidate || candidate.state === "revoked") return "its node is gone";
  if (candidate.node.draining) return `${candidate.node.name} is draining`;
  return firstRefusal(STATIC_FILTERS, candidate, need) && `${candidate.node.name} no longer matches the deployment`;
}

function stallsOf(
  candidates: readonly Candidate[],
  placements: readonly FleetPlacement[],
  { to }: RolloutRecord,
): readonly (number | undefined)[] {
  return placements
    .filter(({ version }) => version === to)
    .map(({ id, nodeId }) => candidateOf(candidates, nodeId)?.stallTimes.get(id));
}

function earliest(times: readonly (number | undefined)[], now: number): number | undefined {
  const ahead = times.filter((at) => at !== undefined).filter((at) => at > now && at < Infinity);
  return ahead.length === 0 ? undefined : Math.min(...ahead);
}
