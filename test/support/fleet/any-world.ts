import fc from "fast-check";
import type {
  Fleet,
  FleetDeployment,
  FleetNode,
  FleetPlacement,
  VersionErrors,
  VersionHistory,
} from "../../../control-plane/core/fleet/types.ts";
import { attemptOn } from "../../../control-plane/core/scheduling/needs/attempt.ts";
import type { PlanContext } from "../../../control-plane/core/scheduling/context.ts";
import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import type { PlacementId } from "../../../shared/base/ids.ts";
import { aDeployment, aFleet, aFleetSession, aNode, aPlacement, aVersion, NOW, TIMINGS } from "./fleet-builder.ts";

/** A fleet, as the planner is given it, and what it was made of. */
export interface World {
  readonly fleet: Fleet;
  readonly nodes: readonly FleetNode[];
  readonly deployments: readonly FleetDeployment[];
  readonly placements: readonly FleetPlacement[];
}

export const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "test" };

/** Memory of a replica, in MiB: nodes and needs are multiples of it. */
const SLOT_MIB = 1_000;
const DISK_MIB = 10_000;
const OLD_OPSET = 15;

const anyNode = fc.record({
  kind: fc.constantFrom<NodeKind>("edge", "edge", "edge", "cloud"),
  zone: fc.constantFrom("a", "b", "c"),
  slots: fc.integer({ min: 1, max: 3 }),
  hasGpu: fc.boolean(),
  isOld: fc.boolean(),
  hasFullDisk: fc.integer({ min: 0, max: 9 }).map((draw) => draw === 0),
  mood: fc.constantFrom("ready", "ready", "ready", "ready", "cordoned", "draining", "suspect", "lost", "pending"),
  rttMs: fc.integer({ min: 0, max: 300 }),
  cpuPct: fc.integer({ min: 0, max: 100 }),
  pushBytesPerMs: fc.constantFrom(undefined, undefined, 100, 50_000),
  /** Of a model's requests. */
  errors: fc.option(fc.record({ model: fc.nat(4), errors: fc.integer({ min: 0, max: 100 }) }), { nil: undefined }),
  /** A model whose version failed to load here three times, or twice. */
  failed: fc.option(
    fc.record({ model: fc.nat(4), loadFailures: fc.constantFrom(2, 3, 3), slots: fc.integer({ min: 1, max: 2 }) }),
    { nil: undefined },
  ),
});

const anyDeployment = fc.record({
  residency: fc.constantFrom("any", "any", "edge-only", "cloud-only" as const),
  needsGpu: fc.integer({ min: 0, max: 3 }).map((draw) => draw === 0),
  edge: fc.integer({ min: 0, max: 3 }),
  cloud: fc.integer({ min: 0, max: 1 }),
  slots: fc.integer({ min: 1, max: 2 }),
  spread: fc.constantFrom("zone", "none" as const),
  opset: fc.constantFrom(OLD_OPSET, 21),
  diskMiB: fc.constantFrom(10, 10, 4_000),
});

type NodeDraw = typeof anyNode extends fc.Arbitrary<infer Draw> ? Draw : never;
type DeploymentDraw = typeof anyDeployment extends fc.Arbitrary<infer Draw> ? Draw : never;

const historyOf = (
  node: FleetNode,
  failed: { model: number; loadFailures: number; slots: number },
): VersionHistory => ({
  model: `m${failed.model}`,
  version: 1,
  loadFailures: failed.loadFailures,
  attempt: attemptOn(node, failed.slots * SLOT_MIB),
  evictedAt: undefined,
});

const errorsOf = ({ model, errors }: { model: number; errors: number }): VersionErrors => ({
  model: `m${model}`,
  version: 1,
  requests: 100,
  errors,
  at: NOW,
  erredAt: errors === 0 ? undefined : NOW,
});

function nodeOf(draw: NodeDraw, at: number): FleetNode {
  const { kind, zone, slots, hasGpu, isOld, hasFullDisk, mood, rttMs, cpuPct, pushBytesPerMs, errors, failed } = draw;
  const built = aNode(`node-${at}`, { kind, zone, labels: hasGpu ? { gpu: "true" } : {} });
  const { capabilities, load } = built;
  const session = {
    lost: aFleetSession({ open: false, lastSeen: NOW - 70_000 }),
    suspect: aFleetSession({ open: false, lastSeen: NOW - 20_000 }),
    pending: undefined,
  };
  return {
    ...built,
    cordoned: mood === "cordoned",
    draining: mood === "draining",
    session: mood in session ? session[mood as keyof typeof session] : built.session,
    capabilities: capabilities && {
      ...capabilities,
      memMiB: Math.ceil((slots * SLOT_MIB) / 0.9),
      diskMiB: DISK_MIB,
      maxOpset: isOld ? OLD_OPSET : 22,
    },
    load: load && {
      ...load,
      rttMs,
      cpuPct,
      diskFreeMiB: hasFullDisk ? 100 : DISK_MIB,
      ...(pushBytesPerMs !== undefined && { pushBytesPerMs, pushMeasuredAt: NOW }),
      ...(errors && { errors: [errorsOf(errors)] }),
    },
    ...(failed && { history: [historyOf(built, failed)] }),
  };
}

/** Replicas beyond its minimum that a deployment may have on edge nodes where these follow demand. */
const MORE = 2;

function deploymentOf(draw: DeploymentDraw, at: number, followsDemand: boolean): FleetDeployment {
  const { residency, needsGpu, edge, cloud, slots, spread } = draw;
  const min = residency === "cloud-only" ? 0 : edge;
  const of = {
    edge: { min, ...(followsDemand && residency !== "cloud-only" && { max: min + MORE }) },
    cloud: { min: residency === "edge-only" ? 0 : cloud },
  };
  return aDeployment({
    name: `d${at}`,
    model: `m${at}`,
    version: 1,
    placement: { residency, spread, ...of, ...(needsGpu && { where: { matchLabels: { gpu: "true" } } }) },
    limits: { memMiB: slots * SLOT_MIB },
  });
}

const anyState = fc.constantFrom("ready", "ready", "loading");
const anyStateOrFailed = fc.constantFrom("ready", "ready", "loading", "failed");

/** Small fleets of every sort of node, with deployments of one priority and with what of them is on the nodes. */
export function anyWorld({
  nodes: [minNodes, maxNodes],
  deployments: [minDeployments, maxDeployments],
  maxPlaced = 0,
  areReady = false,
  followsDemand = false,
  hasFailures = false,
}: {
  readonly nodes: readonly [least: number, most: number];
  readonly deployments: readonly [least: number, most: number];
  readonly maxPlaced?: number;
  /** No node is cordoned, away or full. */
  readonly areReady?: boolean;
  /** Deployments may have more than their minimums on edge nodes, and what is placed is ready. */
  readonly followsDemand?: boolean;
  /** Some of what is placed has failed just now. */
  readonly hasFailures?: boolean;
}): fc.Arbitrary<World> {
  const anyOfThese = areReady
    ? anyNode.map((node) => ({ ...node, mood: "ready" as const, hasFullDisk: false }))
    : anyNode;
  return fc
    .record({
      nodes: fc.array(anyOfThese, { minLength: minNodes, maxLength: maxNodes }),
      deployments: fc.array(anyDeployment, { minLength: minDeployments, maxLength: maxDeployments }),
      placed: fc.array(
        fc.record({ node: fc.nat(99), deployment: fc.nat(99), state: hasFailures ? anyStateOrFailed : anyState }),
        { maxLength: maxPlaced },
      ),
    })
    .map(({ nodes, deployments, placed }) => {
      const built = nodes.map(nodeOf);
      const declared = deployments.map((draw, at) => deploymentOf(draw, at, followsDemand));
      const versions = deployments.map(({ opset, diskMiB }, at) =>
        aVersion(`m${at}`, 1, { opset, bytes: diskMiB * 1_048_576 }),
      );
      const free = nodes.map(({ slots }) => slots);
      const placements = new Map<string, FleetPlacement>();
      for (const each of placed) {
        const [at, which] = [each.node % built.length, each.deployment % declared.length];
        const [node, deployment] = [built[at], declared[which]];
        if (!node || !deployment) continue;
        const id = `${deployment.name}-${node.name}` as PlacementId;
        const slots = deployments[which]?.slots ?? 1;
        if (placements.has(id) || (free[at] ?? 0) < slots) continue;
        free[at] = (free[at] ?? 0) - slots;
        const state = followsDemand ? "ready" : (each.state as FleetPlacement["state"]);
        const of = { id, deployment: deployment.name, model: deployment.spec.model, state, progressSince: NOW };
        const since = state === "failed" ? { stateSince: NOW } : {};
        placements.set(id, aPlacement(node, { ...of, ...since }));
      }
      return worldOf({ nodes: built, deployments: declared, placements: [...placements.values()] }, versions);
    });
}

function worldOf(parts: Omit<World, "fleet">, versions: Parameters<typeof aFleet>[0]["versions"]): World {
  return { ...parts, fleet: aFleet({ ...parts, versions: versions ?? [] }) };
}

/** The same world with its rows in another order. */
export const reversed = ({ fleet, nodes, deployments, placements }: World): World =>
  worldOf(
    { nodes: nodes.toReversed(), deployments: deployments.toReversed(), placements: placements.toReversed() },
    [...fleet.versions.values()].toReversed(),
  );
