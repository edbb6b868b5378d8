import { describe, expect, it } from "@jest/globals";
import type { Fleet, FleetNode, FleetPlacement } from "../../../../../control-plane/core/fleet/types.ts";
import { desiredFor } from "../../../../../control-plane/core/reconcile/desired.ts";
import { planFleet } from "../../../../../control-plane/core/reconcile/plan.ts";
import { describePlan } from "../../../../../control-plane/core/reconcile/steps.ts";
import type { PlanContext } from "../../../../../control-plane/core/scheduling/context.ts";
import { whyNot } from "../../../../../control-plane/core/scheduling/explaining/why-not.ts";
import { planOffers } from "../../../../../control-plane/core/transfer/plan-offers.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aPlacement,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";

const MIB = 1_048_576;
const context: PlanContext = { now: NOW, timings: TIMINGS, trigger: "test" };

const variant = (name: string, mebibytes: number, digit: number) => ({
  name,
  main: `${name}.onnx`,
  bytes: mebibytes * MIB,
  artifact: `sha256:${String(digit).repeat(64)}`,
  opset: 17,
  irVersion: 8,
  accuracy: null,
});
/** Memory needed: 1,088 MiB, 448 MiB and 704 MiB. */
const VARIANTS = [variant("reference", 400, 1), variant("int8", 80, 2), variant("fp16", 200, 3)];
const version = aVersion("digits", 1, { bytes: 400 * MIB, variants: VARIANTS });
const plain = aVersion("digits", 2);

const withMemory = (name: string, memMiB: number): FleetNode => {
  const node = aNode(name);
  return { ...node, capabilities: { ...node.capabilities!, memMiB } };
};
const small = withMemory("edge-small", 600);
const large = withMemory("edge-large", 8_192);
const every = { name: "digits", model: "digits", version: 1, placement: { edge: { every: true } } };

const has = (node: FleetNode, name: string, over: Partial<FleetPlacement> = {}): FleetPlacement => {
  const placement = aPlacement(node, { id: `p-${node.name}-${name}` as PlacementId, ...over });
  return { ...placement, explain: { ...placement.explain, variant: { name, why: "test" } } };
};
const plan = (fleet: Fleet): readonly string[] => describePlan(planFleet(fleet, context).steps);
const records = (fleet: Fleet) =>
  planFleet(fleet, context).steps.flatMap((step) => (step.kind === "placement.create" ? [step] : []));

describe("a deployment of a version with variants", () => {
  it("gives each node the one that fits it, and says why", () => {
    const fleet = aFleet({ nodes: [large, small], deployments: [aDeployment(every)], versions: [version] });
    expect([...plan(fleet)].toSorted()).toEqual([
      "place digits:1 (int8) on edge-small",
      "place digits:1 (reference) on edge-large",
    ]);
    const steps = records(fleet);
    expect(steps.map(({ record: { sentence } }) => sentence).toSorted()).toEqual([
      expect.stringMatching(
        /^digits:1 \(int8: reference needs 1088 MiB of memory, and the node has 540 for models\) → /,
      ),
      expect.stringMatching(/^digits:1 \(reference: it fits, and none was measured to be much quicker\) → edge-large/),
    ]);
    expect(steps.map(({ node, attempt }) => `${node} ${attempt.memMiB}`).toSorted()).toEqual([
      "edge-large 1088",
      "edge-small 448",
    ]);
  });

  it("gives a node the artifact of its variant, and counts the bytes, the memory and the disk of that one", () => {
    const placement = has(small, "int8", { state: "offered" });
    const fleet = aFleet({
      nodes: [small],
      deployments: [aDeployment(every)],
      versions: [version],
      placements: [placement],
    });
    const [desired] = desiredFor(fleet, fleet.nodes.get(small.id) ?? small).placements;
    expect(desired).toMatchObject({ artifact: VARIANTS[1]?.artifact, variant: "int8", limits: { memMiB: 448 } });
    const target = {
      nodeId: small.id,
      waiting: new Set([placement.id]),
      isReceiving: false,
      notBefore: new Map<string, number>(),
    };
    expect(planOffers(fleet, [target], NOW)).toMatchObject([{ artifact: VARIANTS[1]?.artifact, bytes: 80 * MIB }]);
  });

  it("sends a node the signature of its variant alone, and none where that has none", () => {
    const release = { counter: 1, floor: 0, publicKey: "k".repeat(43), signature: "a".repeat(86) };
    const variants = { int8: "b".repeat(86) };
    const sent = (name: string, signed: object) => {
      const fleet = aFleet({
        nodes: [large],
        deployments: [aDeployment(every)],
        versions: [{ ...version, release: { ...release, ...signed } }],
        placements: [has(large, name)],
      });
      return desiredFor(fleet, fleet.nodes.get(large.id) ?? large).placements[0]?.release;
    };
    expect(sent("reference", { variants })).toEqual(release);
    expect(sent("int8", { variants })).toEqual({ ...release, signature: variants.int8 });
    expect([sent("fp16", { variants }), sent("int8", {})]).toEqual([undefined, undefined]);
  });

  it("keeps the variant that a node has, also where another one would be chosen now", () => {
    const placements = [has(large, "fp16")];
    expect(
      plan(aFleet({ nodes: [large], deployments: [aDeployment(every)], versions: [version], placements })),
    ).toEqual([]);
  });

  it("prefers one that was measured to be much quicker on nodes of the class", () => {
    const other = aDeployment({ ...every, name: "trial", placement: { edge: { every: true } } });
    const placements = [
      has(large, "reference", { deployment: "trial", warmUs: 1_000 }),
      has(small, "int8", { deployment: "trial", warmUs: 500 }),
    ];
    const fleet = aFleet({
      nodes: [large, small],
      deployments: [other, aDeployment({ ...every, placement: { edge: { min: 1 }, where: { matchLabels: {} } } })],
      versions: [version],
      placements,
    });
    expect(records(fleet).map(({ record }) => record.variant)).toEqual([
      { name: "int8", why: "it runs in 0.5 ms on edge nodes of x64, and reference in 1 ms" },
    ]);
  });

  it("brings a pinned one beside what a node has, and removes that when it serves", () => {
    const pinned = aDeployment({ ...every, variant: "int8" });
    const parts = { nodes: [large], deployments: [pinned], versions: [version] };
    const before = has(large, "reference");
    expect(plan(aFleet({ ...parts, placements: [before] }))).toEqual(["place digits:1 (int8) on edge-large"]);
    expect(plan(aFleet({ ...parts, placements: [before, has(large, "int8", { state: "loading" })] }))).toEqual([]);
    expect(plan(aFleet({ ...parts, placements: [before, has(large, "int8")] }))).toEqual([
      "remove digits:1 from edge-large: digits:1 took over",
    ]);
  });

  it("brings a pinned one that does not fit beside what a node has, and loads it when that has left", () => {
    const tight = withMemory("edge-tight", 1_300);
    const pinned = aDeployment({ ...every, variant: "int8" });
    const parts = { nodes: [tight], deployments: [pinned], versions: [version] };
    const [before, coming] = [has(tight, "reference"), has(tight, "int8", { state: "staged" })];
    expect(plan(aFleet({ ...parts, placements: [before] }))).toEqual(["place digits:1 (int8) on edge-tight"]);
    const fleet = aFleet({ ...parts, placements: [before, coming] });
    expect(
      desiredFor(fleet, tight)
        .placements.map(({ variant: name, want }) => `${name} ${want}`)
        .toSorted(),
    ).toEqual(["int8 hold", "reference serve"]);
    expect(plan(fleet)).toEqual([
      "remove digits:1 from edge-tight: digits:1 does not fit beside it and loads when it has left",
    ]);
  });

  it("says that a pinned one is missing, and leaves what serves", () => {
    const pinned = aDeployment({ ...every, version: 2, variant: "int8" });
    const fleet = aFleet({
      nodes: [large],
      deployments: [pinned],
      versions: [version, plain],
      placements: [has(large, "int8")],
    });
    const { steps, decisions } = planFleet(fleet, context);
    expect(steps).toEqual([]);
    expect(decisions.get("digits")?.shortfall).toEqual(["digits:2 has no variant int8: it has no variants"]);
  });

  it("goes on to a version without variants", () => {
    const next = aDeployment({ ...every, version: 2 });
    const parts = { nodes: [small], deployments: [next], versions: [version, plain] };
    expect(plan(aFleet({ ...parts, placements: [has(small, "int8")] }))).toEqual(["place digits:2 on edge-small"]);
    const there = [has(small, "int8"), aPlacement(small, { version: 2 })];
    expect(plan(aFleet({ ...parts, placements: there }))).toEqual([
      "remove digits:1 from edge-small: digits:2 took over",
    ]);
  });

  it("is explained for each node by what that one would get", () => {
    const tiny = withMemory("edge-tiny", 300);
    const fleet = aFleet({ nodes: [tiny, small], deployments: [aDeployment(every)], versions: [version] });
    const deployment = fleet.deployments.get("digits")!;
    expect(whyNot(fleet, deployment, "edge-tiny", context)?.sentence).toBe(
      "needs 448 MiB of memory; edge-tiny has 270 for models in all",
    );
    expect(whyNot(fleet, deployment, "edge-small", context)?.rejections).toEqual([]);
  });
});
