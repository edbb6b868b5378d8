import { expect, it } from "@jest/globals";
import { poolFindings } from "../../../../../control-plane/core/scaling/pool-findings.ts";
import type { ObservedPod, Pool } from "../../../../../control-plane/core/scaling/pool.ts";
import { aFleet, aNode } from "../../../../support/fleet/fleet-builder.ts";

const pod = (name: string, state: ObservedPod["state"] = "running"): ObservedPod => ({
  name,
  state,
  trouble: undefined,
  createdAt: 0,
});

it("counts as pending what is asked for and is no ready node yet: none that drains, ends or has failed", () => {
  const pool: Pool = {
    name: "default",
    min: 0,
    max: 9,
    site: "cloud",
    replicas: 5,
    pods: [
      pod("ready"),
      pod("drains"),
      pod("joins"),
      pod("waits", "pending"),
      pod("ends", "ending"),
      pod("over", "failed"),
    ],
    labels: {},
    memMiB: 2_048,
    cpus: 2,
    trouble: undefined,
  };
  const nodes = [aNode("ready", { kind: "cloud" }), aNode("drains", { kind: "cloud", draining: true })];
  const found = poolFindings(aFleet({ nodes }), { pool, wanted: 4 }, () => "ready");
  expect(found.pods.map(({ name, state }) => `${name} ${state}`)).toEqual([
    "drains draining",
    "ends ending",
    "joins joining",
    "over failed",
    "ready ready",
    "waits pending",
  ]);
  // One joins, one waits, and the fifth is not made yet.
  expect([found.ready, found.pending]).toEqual([1, 3]);
});
