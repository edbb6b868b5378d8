import { describe, expect, it } from "@jest/globals";
import { desiredFor } from "../../../../../control-plane/core/reconcile/desired.ts";
import { deploymentSpec } from "../../../../../shared/api/v1/deployments/deployment-spec.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import { aRollout } from "../../../../support/fleet/a-rollout.ts";
import { aDeployment, aFleet, aNode, aPlacement, aVersion } from "../../../../support/fleet/fleet-builder.ts";

const node = aNode("edge-a");
const limitsOf = (limits: {
  readonly queue?: number;
  readonly maxBatch?: number;
  readonly maxDelayUs?: number;
}): object | undefined => {
  const fleet = aFleet({
    nodes: [node],
    versions: [aVersion("digits", 1)],
    deployments: [aDeployment({ name: "digits", model: "digits", version: 1, limits })],
    placements: [aPlacement(node)],
  });
  return desiredFor(fleet, node).placements[0]?.limits;
};

describe("the versions of a rollout that a node is sent", () => {
  const standbyOf = (record: Parameters<typeof aRollout>[0]) => {
    const deployment = aDeployment({ name: "digits", model: "digits", version: 2, rollout: {} });
    const fleet = aFleet({
      nodes: [node],
      versions: [aVersion("digits", 1), aVersion("digits", 2)],
      deployments: [{ ...deployment, rollout: aRollout(record) }],
      placements: [1, 2].map((version) => aPlacement(node, { version, id: `p-${version}` as PlacementId })),
    });
    return desiredFor(fleet, node).placements.flatMap(({ version, standby }) => (standby === true ? [version] : []));
  };

  it.each([
    ["the new one while the old one answers, too", { share: 10 }, ["2"]],
    ["the new one while it gets copies", { strategy: "shadow", share: 0 }, ["2"]],
    ["the old one when all requests have moved", { wave: 3, share: 100 }, ["1"]],
    ["the new one of a rollout that is paused", { phase: "paused", resumes: "baking", share: 50 }, ["2"]],
    ["none when the rollout has ended", { phase: "promoted", share: 100 }, []],
  ] as const)("have on standby %s", (_, record, expected) => {
    expect(standbyOf(record)).toEqual(expected);
  });
});

describe("the aliases that a node is sent", () => {
  const aliasesOf = (aliases: readonly (readonly [string, number])[]): readonly string[] | undefined => {
    const fleet = aFleet({
      nodes: [node],
      versions: [aVersion("digits", 1), aVersion("digits", 2)],
      deployments: [aDeployment({ name: "digits", model: "digits", version: 1 })],
      placements: [aPlacement(node)],
      aliases: aliases.map(([alias, version]) => ({ model: "digits", alias, version })),
    });
    return desiredFor(fleet, node).placements[0]?.aliases;
  };

  it("are those of the version, sorted, and left out when there are none", () => {
    expect(
      aliasesOf([
        ["stable", 1],
        ["champion", 1],
        ["canary", 2],
      ]),
    ).toEqual(["champion", "stable"]);
    expect(aliasesOf([["canary", 2]])).toBeUndefined();
    expect(aliasesOf([])).toBeUndefined();
  });

  it("are never more than a message has room for", () => {
    const many = Array.from({ length: 20 }, (_, index) => [`a${String(index).padStart(2, "0")}`, 1] as const);
    expect(aliasesOf(many)).toEqual(["a00", "a01", "a02", "a03", "a04", "a05", "a06", "a07"]);
  });
});

describe("the limits that a node is sent", () => {
  it("are 32 rows a run without a wait and 1,024 that wait, unless the deployment says otherwise", () => {
    expect(limitsOf({})).toMatchObject({ maxBatch: 32, maxDelayUs: 0, queue: 1_024 });
    expect(limitsOf({ maxBatch: 1, maxDelayUs: 2_000 })).toMatchObject({ maxBatch: 1, maxDelayUs: 2_000 });
    expect(limitsOf({ queue: 8 })).toMatchObject({ queue: 8 });
  });

  it("of a model in a shared host are the estimate, as what it was measured at is a share", () => {
    const limitsIn = (isolation: "shared" | "dedicated", measured: object): object | undefined => {
      const fleet = aFleet({
        nodes: [node],
        versions: [aVersion("digits", 1, { bytes: 1_000 })],
        deployments: [aDeployment({ name: "digits", model: "digits", version: 1, limits: { isolation } })],
        placements: [aPlacement(node, measured)],
      });
      return desiredFor(fleet, node).placements[0]?.limits;
    };
    const shared = { host: "shared-1", measuredMiB: 16 };
    expect(limitsIn("shared", shared)).toMatchObject({ isolation: "shared", memMiB: 320, memIsEstimate: true });
    const moving = limitsIn("dedicated", shared);
    expect(moving).toMatchObject({ memMiB: 320, memIsEstimate: true });
    expect(moving).not.toHaveProperty("isolation");
    const alone = limitsIn("dedicated", { measuredMiB: 384 });
    expect(alone).toMatchObject({ memMiB: 384 });
    expect(alone).not.toHaveProperty("memIsEstimate");
  });

  it.each([
    { queue: -1 },
    { queue: 65_537 },
    { maxBatch: 0 },
    { maxBatch: 257 },
    { maxBatch: 1.5 },
    { maxDelayUs: -1 },
    { maxDelayUs: 100_001 },
  ])("are refused beyond their range: %j", (limits) => {
    const { success } = deploymentSpec.safeParse({ name: "digits", model: "digits", version: 1, limits });
    expect(success).toBe(false);
  });
});
