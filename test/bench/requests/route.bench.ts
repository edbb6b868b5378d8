import { candidateSet } from "../../../control-plane/core/routing/candidate-set.ts";
import type { RouteCandidate } from "../../../control-plane/core/routing/estimate.ts";
import { pick, type PickContext } from "../../../control-plane/core/routing/pick.ts";
import { PlacementStats } from "../../../control-plane/core/routing/placement-stats.ts";
import { RouteCache, type ServingCandidate } from "../../../control-plane/app/inference/route-cache.ts";
import { SessionRegistry } from "../../../control-plane/app/node-sessions/node-session.ts";
import { Telemetry } from "../../../control-plane/app/inference/telemetry.ts";
import { resolve } from "../../../control-plane/core/routing/table.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import { aDeployment, aNode, aPlacement, aVersion } from "../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../support/fleet/fleet-in-memory.ts";
import { aSession } from "../../support/fleet/node-session.ts";
import { quantile } from "../../support/quantile.ts";
import { TestClock } from "../../support/test-clock.ts";
import { ownPaths } from "../../support/fleet/own-paths.ts";

/**
 * What a route costs: the version, its candidates, the choice, and the count of the request at its placement. The
 * baseline of the same run is a random choice from the same array with the same count. All variants take turns, so that
 * a busy machine slows all of them. Goal: 200,000 routes/s at 32 candidates, one at most 20 µs at p99.
 */
const ROUNDS = 30;
const ROUTES = 4_000;
const GOAL_PER_S = 200_000;
const GOAL_P99_US = 20;
const figures = { rif: 2, slots: 2, meanUs: 25_000, p95Us: 60_000 };

/** A router as it serves, with `count` ready placements; its clock moves 5 µs with every request. */
async function routerOf(count: number): Promise<Record<string, () => void>> {
  const clock = new TestClock();
  const nodes = Array.from({ length: count }, (_, index) =>
    aNode(`n${index}`, { kind: index % 4 === 0 ? "cloud" : "edge" }),
  );
  const deployment = aDeployment({ name: "digits", model: "digits", version: 1, slo: { p95Ms: 250 } });
  const fleet = await fleetOf(
    {
      nodes,
      versions: [aVersion("digits", 1)],
      deployments: [deployment],
      placements: nodes.map((node) => aPlacement(node)),
    },
    clock,
  );
  const registry = new SessionRegistry();
  const telemetry = new Telemetry();
  for (const { id, name, kind } of nodes) {
    const control = { send: () => 1, close: () => undefined, lastByteAt: () => 0, ping: () => undefined };
    const session = aSession({ id, name, kind }, { control, clock, fleet });
    session.attachInference({ send: () => true, close: () => undefined, lastByteAt: () => 0 });
    registry.add(session);
    telemetry.of(`p-${name}`).report(figures, clock.now());
  }
  const view = new RouteCache({ fleet, paths: ownPaths(registry), telemetry });
  const random = seededRandom(1);
  const request = { model: "digits", version: undefined, site: "harbour" };
  let now = clock.now();
  const count1 = ({ stats }: RouteCandidate): void => {
    stats.begin(now);
    stats.answered(figures, now);
  };
  const route = (sloMs: number | undefined) => (): void => {
    now += 0.005;
    const resolved = resolve(view.table(), request, random);
    if (resolved.kind !== "found") throw new Error(resolved.detail);
    const set = view.candidates(resolved.ready, { residency: undefined, now });
    const asked: string[] = [];
    const context: PickContext<ServingCandidate> = {
      now,
      random,
      timeLeftMs: 10_000,
      mayTake: ({ nodeId, path }) => path.inference !== undefined && !asked.includes(nodeId),
      prefer: undefined,
      sloMs,
    };
    const choice = pick(set, context);
    if (choice.kind === "picked") count1(choice.candidate);
  };
  const all = candidateSet(
    nodes.map((node) => ({
      placementId: `p-${node.name}`,
      nodeId: node.id,
      node: node.name,
      kind: node.kind,
      cost: 0,
      rttMs: 1,
      warmUs: 1_000,
      stats: new PlacementStats(),
    })),
    now,
  ).all;
  const baseline = (): void => {
    now += 0.005;
    const candidate = all[Math.floor(random.next() * all.length)];
    if (candidate) count1(candidate);
  };
  return { "random choice": baseline, route: route(undefined), "route with an SLO": route(200) };
}

for (const count of [8, 32, 128, 1_024]) {
  const variants = await routerOf(count);
  const perSecond = new Map(Object.keys(variants).map((name) => [name, [] as number[]]));
  const single = new Map(Object.keys(variants).map((name) => [name, [] as number[]]));
  for (let round = 0; round < ROUNDS + 5; round += 1) {
    for (const [name, call] of Object.entries(variants)) {
      const before = performance.now();
      for (let i = 0; i < ROUTES; i += 1) call();
      const tookMs = performance.now() - before;
      if (round < 5) continue;
      perSecond.get(name)?.push((ROUTES / tookMs) * 1_000);
      for (let i = 0; i < ROUTES / 10; i += 1) {
        const start = performance.now();
        call();
        single.get(name)?.push((performance.now() - start) * 1_000);
      }
    }
  }
  console.log(`${count} candidates`);
  const baseline = quantile(perSecond.get("random choice") ?? [], 0.5);
  for (const [name, values] of perSecond) {
    const median = quantile(values, 0.5);
    const p99 = quantile(single.get(name) ?? [], 0.99);
    const isGoal = count === 32 && name !== "random choice";
    const verdict = median >= GOAL_PER_S && p99 <= GOAL_P99_US ? "met" : "MISSED";
    console.log(
      `  ${name.padEnd(18)} ${(median / 1_000).toFixed(0).padStart(6)} k/s  p99 ${p99.toFixed(1).padStart(5)} µs  ${(baseline / median).toFixed(1)} × the baseline's time` +
        (isGoal ? `  goal ${GOAL_PER_S / 1_000} k/s, ${GOAL_P99_US} µs: ${verdict}` : ""),
    );
  }
}
process.exit(0); // the fleet polls on
