import type { ClusterNode, SkerryCluster } from "../skerry-cluster.ts";
import type { NodeFault, Scene } from "./node-faults.ts";
import { until } from "../skerry-process.ts";
import { steadyLoad, type LoadSample } from "../steady-load.ts";

/** After so long under a fault its victim should be out of the way, in ms. */
const SETTLED_MS = 5_000;

interface Course {
  readonly perSecond: number;
  /** Seconds of load before the fault, under it, and after the node has recovered. */
  readonly beforeS: number;
  readonly duringS: number;
  readonly afterS: number;
  readonly send: () => Promise<Response>;
}

/** What callers saw of one fault. */
export interface FaultReport {
  readonly victim: string;
  readonly before: readonly LoadSample[];
  readonly during: readonly LoadSample[];
  readonly after: readonly LoadSample[];
  readonly all: readonly LoadSample[];
  /** Shares of the victim: before the fault, over 5 s into it, after it. */
  readonly shareBefore: number;
  readonly shareAfter5s: number;
  readonly shareAfterRecovery: number;
  /** From the end of the fault until the control plane calls the node ready. */
  readonly recoveryMs: number;
}

/**
 * Deploys the digits on three nodes with placements that the router has never seen: what it remembers of an earlier
 * fault would keep it from sending to the victim at all.
 */
export async function deployAfresh(cluster: SkerryCluster, name: string): Promise<void> {
  const { items } = await cluster.get<{ items: { name: string }[] }>("/deployments");
  for (const old of items) await cluster.request("DELETE", `/deployments/${old.name}`);
  await cluster.deploy({ name, model: "digits", version: 1, placement: { edge: { min: 3 } } });
  await until(
    "three placements are ready",
    async () => (await cluster.placements(name)).filter(({ state }) => state === "ready").length === 3,
    40_000,
  );
}

/** Breaks the busiest node under a steady load, makes it good again, and waits until it is ready. */
export async function runFault(fault: NodeFault, scene: Scene, course: Course): Promise<FaultReport> {
  const { perSecond, beforeS, duringS, afterS } = course;
  const load = steadyLoad(perSecond, course.send);
  const more = (seconds: number): Promise<true> => {
    const goal = load.sent() + seconds * perSecond;
    return until("the load goes on", () => load.sent() >= goal, (seconds + 20) * 1_000);
  };
  await more(beforeS);
  const victim = busiest(scene.cluster, load.ended);
  const brokenAt = performance.now();
  const mend = await fault.begin(victim, scene);
  const begun = performance.now() - brokenAt;
  await more(Math.max(0, duringS - begun / 1_000));
  const mendedAt = performance.now();
  await mend();
  await scene.cluster.whenNode(victim.name, "ready", 60_000);
  const recoveredAt = performance.now();
  await more(afterS);
  const all = await load.stop();

  const between = (from: number, to: number): readonly LoadSample[] =>
    all.filter(({ sentAt }) => sentAt >= from && sentAt < to);
  const after = between(recoveredAt, Infinity);
  return {
    victim: victim.name,
    all,
    before: between(0, brokenAt),
    during: between(brokenAt, mendedAt),
    after,
    shareBefore: shareOf(victim, between(0, brokenAt)),
    shareAfter5s: shareOf(victim, between(brokenAt + SETTLED_MS, mendedAt)),
    shareAfterRecovery: shareOf(victim, after),
    recoveryMs: recoveredAt - mendedAt,
  };
}

/** Of the newest answers, since the router may send everything to one node. */
function busiest(cluster: SkerryCluster, ended: readonly LoadSample[]): ClusterNode {
  const newest = ended.slice(-100);
  const nodes = [...cluster.nodes.values()].toSorted((a, b) => shareOf(b, newest) - shareOf(a, newest));
  const [first] = nodes;
  if (!first) throw new Error("the cluster has no nodes");
  return first;
}

const shareOf = ({ name }: ClusterNode, samples: readonly LoadSample[]): number =>
  samples.filter(({ node }) => node === name).length / samples.length;
