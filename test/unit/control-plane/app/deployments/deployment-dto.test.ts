import { describe, expect, it } from "@jest/globals";
import { toDeploymentDto } from "../../../../../control-plane/app/deployments/deployment-dto.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aPlacement,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../support/fleet/fleet-builder.ts";
import { OWNER_GONE_MS } from "../../../../../control-plane/core/fleet/node-status.ts";
import type { FleetDeployment } from "../../../../../control-plane/core/fleet/types.ts";

const digits = aDeployment(
  { name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } },
  { generation: 4 },
);
const node = aNode("edge-a");
const context = { now: NOW, wallNow: 1_700_000_000_000, publicUrl: "http://skerry", timings: TIMINGS };
const status: FleetDeployment["status"] = {
  observedGeneration: 3,
  at: context.wallNow - 7_000,
  findings: {
    conditions: [{ type: "Ready", status: "True", reason: "AllReplicasReady", message: "1 of 1 replica ready" }],
    activeVersion: 1,
    targetVersion: 1,
    edge: { wanted: 1, placed: 1, ready: 1 },
    cloud: { wanted: 0, placed: 0, ready: 0 },
    unplaced: [],
  },
};
const show = (deployment: FleetDeployment, now = NOW) => {
  const fleet = aFleet({
    nodes: [node],
    versions: [aVersion("digits", 1)],
    placements: [aPlacement(node)],
    deployments: [deployment],
  });
  return toDeploymentDto(fleet, deployment, { ...context, now }).status;
};

describe("a deployment as the API shows it", () => {
  it("shows the recorded status with the generation that it is about and its age", () => {
    expect(show({ ...digits, status })).toEqual({
      ...status.findings,
      observedGeneration: 3,
      recordedAgeMs: 7_000,
      url: "http://skerry/v2/models/digits/infer",
      changedAgeMs: 500_000,
    });
  });

  it("counts the age of the last change when it is read", () => {
    expect(show({ ...digits, status }, NOW + 1_000).changedAgeMs).toBe(501_000);
  });

  it("does not believe a recorded Ready that the nodes do not bear out", () => {
    const later = show({ ...digits, status }, NOW + OWNER_GONE_MS + 1);
    expect(later.conditions).toEqual([expect.objectContaining({ status: "Unknown", reason: "StatusOutdated" })]);
  });

  it("says that nothing is known before a leader has planned", () => {
    const unknown = show(digits);
    expect(unknown).toMatchObject({ observedGeneration: 0, recordedAgeMs: null, activeVersion: null });
    expect(unknown.conditions.map(({ type, status: is }) => `${type}=${is}`)).toEqual([
      "Ready=Unknown",
      "Progressing=Unknown",
      "Stalled=Unknown",
    ]);
  });
});
