import { describe, expect, it } from "@jest/globals";
import { MAX_PAIRS, TrafficMeter } from "../../../../../control-plane/app/traffic/traffic-meter.ts";
import type { MeasuredInference } from "../../../../../control-plane/ports/metrics.ts";
import { aDeployment, aFleet, aNode, aPlacement, aVersion } from "../../../../support/fleet/fleet-builder.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const edgeA = aNode("edge-a");
const placement = aPlacement(edgeA, { deployment: "digits" });
const fleet = aFleet({
  nodes: [edgeA],
  versions: [aVersion("digits", 1)],
  deployments: [aDeployment({ name: "digits", model: "digits", version: 1 })],
  placements: [placement],
});

const answered = (change: Partial<MeasuredInference> = {}): MeasuredInference => ({
  model: "digits",
  modelVersion: "digits:1",
  node: "edge-a",
  placement: placement.id,
  reason: "only",
  code: "OK",
  seconds: 0.01,
  queueSeconds: 0,
  computeSeconds: 0.005,
  ...change,
});

function aMeter(): { meter: TrafficMeter; clock: TestClock } {
  const clock = new TestClock();
  return { meter: new TrafficMeter({ fleet: { snapshot: () => fleet }, clock }), clock };
}

describe("the traffic of the last minute", () => {
  it("is counted by deployment and node", async () => {
    const { meter, clock } = aMeter();
    meter.answered(answered());
    meter.answered(answered({ code: "QUEUE_FULL" }));
    meter.wrote({
      model: "digits",
      node: "edge-a",
      placement: placement.id,
      usage: { promptTokens: 3, cachedTokens: 0, outputTokens: 20 },
      firstSeconds: 0.1,
      restSeconds: 1,
    });
    await clock.advance(2_000);
    const { total, deployments, nodes, pairs } = meter.report();
    expect(total).toMatchObject({ requests: 2, ratePerS: 1, errorsPerS: 0.5, tokensPerS: 10 });
    expect(deployments).toEqual([{ deployment: "digits", model: "digits", ...total }]);
    expect(nodes).toEqual([{ node: "edge-a", ...total }]);
    expect(pairs).toEqual([{ deployment: "digits", model: "digits", node: "edge-a", ...total }]);
  });

  it("names the deployment of a request that reached no replica, and no node", () => {
    const { meter } = aMeter();
    meter.answered(answered({ node: undefined, placement: undefined, code: "NO_READY_REPLICA" }));
    expect(meter.report().pairs).toMatchObject([{ deployment: "digits", model: "digits", node: null, p50Ms: null }]);
  });

  it("counts no error for a caller that went away, and nothing for a model that does not exist", () => {
    const { meter } = aMeter();
    meter.answered(answered({ code: "CANCELLED" }));
    meter.answered(answered({ model: undefined, node: undefined, placement: undefined, code: "NOT_FOUND" }));
    expect(meter.report().total).toMatchObject({ requests: 1, errorsPerS: 0 });
  });

  it("is empty again after a minute", async () => {
    const { meter, clock } = aMeter();
    meter.answered(answered());
    await clock.advance(61_000);
    expect(meter.report()).toMatchObject({ total: { requests: 0 }, deployments: [], nodes: [], pairs: [] });
  });

  it("keeps a bounded number of entries, and has room again when the old ones are idle", async () => {
    const { meter, clock } = aMeter();
    for (let at = 0; at < MAX_PAIRS + 10; at += 1) meter.answered(answered({ node: `n-${at}` }));
    expect(meter.report().nodes).toHaveLength(MAX_PAIRS);
    await clock.advance(61_000);
    meter.answered(answered({ node: "new" }));
    expect(meter.report().nodes.map(({ node }) => node)).toEqual(["new"]);
  });
});
