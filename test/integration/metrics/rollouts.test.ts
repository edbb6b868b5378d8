import { expect, it } from "@jest/globals";
import { PrometheusMetrics } from "../../../control-plane/adapters/metrics/prometheus.ts";
import { EvidenceMeter } from "../../../control-plane/app/rollouts/evidence-meter.ts";
import { fleetCounts } from "../../../control-plane/app/fleet/fleet-counts.ts";
import { TIMINGS } from "../../support/fleet/fleet-builder.ts";
import { RolloutWorld } from "../../support/fleet/rollout-world.ts";

const NOTHING = {
  inFlight: 0,
  pools: [],
  watches: { nodes: 0, deployments: 0, rollouts: 0, placements: 0, events: 0 },
  peers: { open: 0, broken: 0 },
};

it("shows what a rollout did, what its gate counted, and how long it has been in its phase", async () => {
  const world = new RolloutWorld();
  const metrics = new PrometheusMetrics(() => ({ ...fleetCounts(world.fleet(), world.now, TIMINGS), ...NOTHING }));
  const text = async (): Promise<string> => (await metrics.render()).text;
  world.standStill();
  world.declare({ version: 2 });
  world.standStill();
  world.now += 7_000;
  expect(await text()).toContain('skerry_rollout_phase_age_seconds{deployment="digits",phase="baking"} 7\n');

  const meter = new EvidenceMeter(metrics);
  const wave = { deployment: "digits", rollout: 1, wave: 1, old: 1, new: 2, copies: true };
  for (const version of [1, 2, 2, 3]) meter.answered(wave, { version, code: undefined, kind: "edge", ms: 1 });
  meter.answered(wave, { version: 2, code: "EXECUTION_FAILED", kind: "edge", ms: 1 });
  meter.answered(wave, { version: 2, code: undefined, kind: "edge", ms: 1, isSample: true });
  meter.compared(wave, { agrees: false, difference: 1 });
  world.act("abort");
  world.standStill();
  world.facts.forEach((facts) => metrics.rolloutWritten(facts));
  const shown = (await text()).split("\n").filter((line) => /^skerry_rollout_(?!phase)/.test(line));
  expect(shown.toSorted()).toEqual([
    'skerry_rollout_comparisons_total{deployment="digits",agrees="false"} 1',
    'skerry_rollout_requests_total{deployment="digits",version="new",from="callers",outcome="error"} 1',
    'skerry_rollout_requests_total{deployment="digits",version="new",from="callers",outcome="ok"} 2',
    'skerry_rollout_requests_total{deployment="digits",version="new",from="samples",outcome="ok"} 1',
    'skerry_rollout_requests_total{deployment="digits",version="old",from="callers",outcome="ok"} 1',
    'skerry_rollout_returns_total{deployment="digits",reason="aborted"} 1',
    'skerry_rollout_steps_total{deployment="digits",step="rolled-back"} 1',
    'skerry_rollout_steps_total{deployment="digits",step="rolling-back"} 1',
    'skerry_rollout_steps_total{deployment="digits",step="started"} 1',
  ]);
  expect(await text()).toContain('skerry_rollout_phase_seconds_sum{phase="baking"} 7\n');
  expect(await text()).not.toContain("skerry_rollout_phase_age_seconds{");
});
