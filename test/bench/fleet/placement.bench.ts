import type { Fleet, FleetNode } from "../../../control-plane/core/fleet/types.ts";
import { findingsOf, type Findings } from "../../../control-plane/core/reconcile/deployment-status.ts";
import { planFleet, type FleetPlan } from "../../../control-plane/core/reconcile/plan.ts";
import type { PlanContext } from "../../../control-plane/core/scheduling/context.ts";
import { withSteps, whenDone } from "../../../control-plane/core/what-if/virtual-fleet.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import { aDeployment, aFleetSession, aVersion, NOW, TIMINGS } from "../../support/fleet/fleet-builder.ts";
import { quantile } from "../../support/quantile.ts";
import { commitPlan } from "../support/fleet/commit-plan.ts";
import { largeFleet, withLoad } from "../support/fleet/large-fleet.ts";
import { placePlainly } from "../support/fleet/plain-placement.ts";

/**
 * How fast replicas are planned: from nothing, after one node is lost, and when one deployment is added; beside a plain loop
 * over all nodes, filters and scores. And how fast the plan from nothing is written into PostgreSQL, without fsync as in the
 * other benchmarks.
 *
 *   npm run bench -- placement
 *   NODES=1000 DEPLOYMENTS=100 REPLICAS=5 ROUNDS=3 CHANGES=4 npm run bench -- placement
 */
const { env } = process;
const SIZE = {
  nodes: Number(env["NODES"] ?? 10_000),
  deployments: Number(env["DEPLOYMENTS"] ?? 1_000),
  replicas: Number(env["REPLICAS"] ?? 5),
};
const ROUNDS = Number(env["ROUNDS"] ?? 5);
/** Small changes of each kind in a round: other nodes, other deployments. A single one is mostly what the garbage of the plan before it costs. */
const CHANGES = Number(env["CHANGES"] ?? 4);
/** The plain loop takes long: it gets this many deployments. */
const PLAIN_DEPLOYMENTS = Math.min(SIZE.deployments, Number(env["PLAIN"] ?? 20));

const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "bench" };
const large = largeFleet(SIZE);
const { fleet, deployments } = large;
const random = seededRandom(15);

interface Planned {
  readonly plan: FleetPlan;
  readonly findings: Findings;
  readonly ms: number;
  /** CPU of the process meanwhile, which a busy machine changes less. */
  readonly cpuMs: number;
}

/** What the control loop computes when something has changed. */
function plan(of: Fleet, previous?: Planned): Planned {
  const [startedAt, before] = [performance.now(), process.cpuUsage()];
  const made = planFleet(of, context, previous?.plan);
  const findings = findingsOf(of, made, { ...context, known: previous?.findings });
  return { plan: made, findings, ms: performance.now() - startedAt, cpuMs: cpuSince(before) };
}

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** All nodes have sent a load report since. */
const later = (of: Fleet, nodes: ReadonlyMap<string, FleetNode> = of.nodes): Fleet => ({
  ...of,
  revision: of.revision + 1,
  nodes: new Map([...nodes].map(([id, node]) => [id, node.session?.open === true ? withLoad(node, random) : node])),
});

/** `rank`: 0 loses the fullest node, 1 the one after it. */
function afterLoss(of: Fleet, rank: number): Fleet {
  const [id] = [...of.placementsOn].toSorted(([, a], [, b]) => b.length - a.length)[rank] ?? [];
  const node = of.nodes.get(id ?? "");
  if (!node) throw new Error("no node holds anything");
  const lost = { ...node, session: aFleetSession({ open: false, lastSeen: NOW - 70_000 }) };
  return later(of, new Map(of.nodes).set(node.id, lost));
}

function afterAddition(of: Fleet, name: string): Fleet {
  const added = aDeployment({ name, model: name, version: 1, placement: { edge: { min: SIZE.replicas } } });
  const version = aVersion(name, 1, { bytes: 3_000_000 });
  return {
    ...later(of),
    deployments: new Map(of.deployments).set(name, added),
    versions: new Map(of.versions).set(`${name}:1`, version),
  };
}

const kinds = ["lost", "added", "nothing"] as const;
type Kind = (typeof kinds)[number];
interface Round extends Record<Kind, readonly Planned[]> {
  readonly full: Planned;
}

const rounds: Round[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const full = plan(later(fleet));
  const converged = whenDone(withSteps(fleet, full.plan.steps, NOW), context);
  const settled = plan(converged);
  const changes = (change: (at: number) => Fleet): readonly Planned[] =>
    Array.from({ length: CHANGES }, (_, at) => plan(change(at), settled));
  rounds.push({
    full,
    lost: changes((at) => afterLoss(converged, at)),
    added: changes((at) => afterAddition(converged, `added-${at}`)),
    nothing: changes(() => later(converged)),
  });
}
/** Over all rounds; `full` is the plan from nothing of the same round. */
const median = (kind: Kind, read: (planned: Planned, full: Planned) => number): number =>
  quantile(
    rounds.flatMap((round) => round[kind].map((each) => read(each, round.full))),
    0.5,
  );
const medianFull = (read: (planned: Planned) => number): number =>
  quantile(
    rounds.map(({ full }) => read(full)),
    0.5,
  );

const [from, before] = [performance.now(), process.cpuUsage()];
const plainPlaced = placePlainly(fleet, deployments.slice(0, PLAIN_DEPLOYMENTS), context);
const plain = { ms: (performance.now() - from) / plainPlaced, cpuMs: cpuSince(before) / plainPlaced };
const placed = rounds[0]?.full.plan.steps.length ?? 0;
const fullMs = medianFull(({ ms }) => ms);
const fullCpuMs = medianFull(({ cpuMs }) => cpuMs);
const perSecond = (ms: number): string => (1_000 / ms).toFixed(0);

console.log(
  `${SIZE.nodes} nodes, ${SIZE.deployments} deployments of ${SIZE.replicas}, medians of ${ROUNDS} rounds with ${CHANGES} changes of each kind`,
);
console.log(
  `plain loop     ${perSecond(plain.ms)}/s, CPU ${perSecond(plain.cpuMs)}/s, without records (${plainPlaced} placements)`,
);
console.log(
  `from nothing   ${perSecond(fullMs / placed)}/s, CPU ${perSecond(fullCpuMs / placed)}/s, with records (${placed} placements, ${fullMs.toFixed(0)} ms): ` +
    `${(plain.ms / (fullMs / placed)).toFixed(0)} × the plain loop`,
);
for (const kind of kinds) {
  const [ms, cpuMs] = [median(kind, (planned) => planned.ms), median(kind, (planned) => planned.cpuMs)];
  const parts = median(kind, (planned, full) => full.ms / planned.ms);
  const cpuParts = median(kind, (planned, full) => full.cpuMs / planned.cpuMs);
  const steps = median(kind, (planned) => planned.plan.steps.length);
  console.log(
    `${kind.padEnd(14)} ${ms.toFixed(1)} ms, CPU ${cpuMs.toFixed(1)} ms, ${steps} steps: 1/${parts.toFixed(0)} of the full plan, CPU 1/${cpuParts.toFixed(0)}`,
  );
}
const commitMs = await commitPlan(large, rounds[0]?.full.plan.steps ?? []);
console.log(`committed      ${perSecond(commitMs / placed)}/s`);
