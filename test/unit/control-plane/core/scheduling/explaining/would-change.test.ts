import { describe, expect, it } from "@jest/globals";
import type {
  Candidate,
  PlacementRequest,
} from "../../../../../../control-plane/core/scheduling/candidates/candidate.ts";
import { nearestChangesOf } from "../../../../../../control-plane/core/scheduling/explaining/nearest-changes.ts";
import { DEFAULT_PROFILE } from "../../../../../../control-plane/core/scheduling/profile.ts";
import { whyNot } from "../../../../../../control-plane/core/scheduling/explaining/why-not.ts";
import { changesToAdmit } from "../../../../../../control-plane/core/scheduling/explaining/would-change.ts";
import { MAX_PLACEMENTS_PER_NODE } from "../../../../../../shared/protocol/limits.ts";
import {
  aDeployment,
  aFleet,
  aNode,
  aSilentNode,
  aVersion,
  NOW,
  TIMINGS,
} from "../../../../../support/fleet/fleet-builder.ts";
import { aCandidate, aRequest, onEdgeA } from "../../../../../support/fleet/scheduling-fixture.ts";

type CandidateOf = NonNullable<Parameters<typeof aCandidate>[0]>;
type RequestOf = NonNullable<Parameters<typeof aRequest>[0]>;

const changes = (candidate: Candidate, request: PlacementRequest) =>
  changesToAdmit(DEFAULT_PROFILE, candidate, request);
const where = (matchLabels: Record<string, string>, matchExpressions: object[] = []): RequestOf => ({
  spec: { placement: { where: { matchLabels, matchExpressions } } } as never,
});
const others = (count: number) => Array.from({ length: count }, () => onEdgeA({ deployment: "other", model: "other" }));

describe("what would admit a node", () => {
  it.each<readonly [string, CandidateOf, RequestOf, CandidateOf, RequestOf]>([
    ["uncordon it", { of: { cordoned: true } }, {}, {}, {}],
    ["uncordon it", { of: { cordoned: true, draining: true } }, {}, {}, {}],
    ["connect it again", { state: "lost" }, {}, {}, {}],
    ["start it", { state: "pending" }, {}, {}, {}],
    ["free 320 MiB of memory", { reservedMiB: 900 }, { memMiB: 420 }, { reservedMiB: 580 }, { memMiB: 420 }],
    [
      "set limits.memMiB to 600, if it needs no more",
      { reservedMiB: 400 },
      { memMiB: 1_001 },
      { reservedMiB: 400 },
      { memMiB: 600 },
    ],
    ["free 51 MiB of disk", {}, { diskMiB: 1_001 }, { usableDiskMiB: 1_051 }, { diskMiB: 1_001 }],
    ["label gpu=true", {}, where({ gpu: "true" }), { of: { labels: { gpu: "true" } } }, where({ gpu: "true" })],
    [
      "label tier=gold or silver and remove label old",
      { of: { labels: { old: "1" } } },
      where({}, [
        { key: "tier", operator: "In", values: ["gold", "silver"] },
        { key: "old", operator: "DoesNotExist", values: [] },
      ]),
      { of: { labels: { tier: "silver" } } },
      where({}, [{ key: "tier", operator: "In", values: ["gold", "silver"] }]),
    ],
    ["set its zone to z9", {}, where({ zone: "z9" }), { of: { zone: "z9" } }, where({ zone: "z9" })],
    [
      "set placement.residency to any",
      {},
      { spec: { placement: { residency: "cloud-only" } } as never },
      {},
      { spec: { placement: { residency: "any" } } as never },
    ],
    ["update its agent", {}, { of: { opset: 99 } }, {}, {}],
    [
      "move 2 replicas away from it",
      { placements: others(MAX_PLACEMENTS_PER_NODE + 1) },
      {},
      { placements: others(MAX_PLACEMENTS_PER_NODE - 1) },
      {},
    ],
    [
      "set placement.maxPushMinutes to 2",
      { pushBytesPerMs: 1_000 },
      { of: { bytes: 120_000_000 }, spec: { placement: { maxPushMinutes: 1 } } as never },
      { pushBytesPerMs: 1_000 },
      { of: { bytes: 120_000_000 }, spec: { placement: { maxPushMinutes: 2 } } as never },
    ],
    [
      "retry it: skerry deployments retry digits",
      { placements: [onEdgeA({ deployment: "other", state: "failed", stateSince: NOW })] },
      {},
      {},
      {},
    ],
    ["push the same files of digits:1 again", {}, { of: { damage: "chunk 3 is not whole" } }, {}, {}],
  ])("is to %s, and with it the node fits", (change, candidate, request, changed, asked) => {
    expect(changes(aCandidate(candidate), aRequest(request))).toEqual([change]);
    expect(changes(aCandidate(changed), aRequest(asked))).toEqual([]);
  });

  it("is to start a node that has never said what it has", () => {
    const unknown = aCandidate({ of: { capabilities: undefined }, state: "pending", usableMiB: 0, usableDiskMiB: 0 });
    expect(changes(unknown, aRequest())).toEqual(["start it"]);
  });

  it("is a change for each filter that refuses, and each once", () => {
    const candidate = aCandidate({ of: { cordoned: true }, reservedMiB: 900 });
    expect(changes(candidate, aRequest({ memMiB: 420, ...where({ gpu: "true" }) }))).toEqual([
      "label gpu=true",
      "uncordon it",
      "free 320 MiB of memory",
    ]);
  });

  it.each<readonly [string, CandidateOf, RequestOf]>([
    ["the node is of another kind than the selector asks for", {}, where({ kind: "cloud" })],
    ["the node holds a replica already", { placements: [onEdgeA()] }, {}],
    ["its quarantine passes by itself", { quarantine: { until: NOW + 1_000, disconnects: 4 } }, {}],
    ["it was revoked", { state: "revoked" }, {}],
    ["hardly any of its memory is free", { reservedMiB: 950 }, { memMiB: 2_000 }],
  ])("is nothing where %s", (_, candidate, request) => {
    expect(changes(aCandidate(candidate), aRequest(request))).toBeNull();
  });
});

describe("a replica that has no place", () => {
  const context = { now: NOW, timings: TIMINGS, trigger: "test" };
  const spec = aDeployment({
    name: "digits",
    model: "digits",
    version: 1,
    placement: { where: { matchLabels: { gpu: "true" }, matchExpressions: [] }, edge: { min: 1 } },
  });
  const nodes = [
    aNode("edge-a", { cordoned: true }),
    aNode("edge-b"),
    aNode("edge-c", { cordoned: true, labels: { gpu: "true" } }),
    aSilentNode("edge-d", 3_600_000),
    aNode("cloud-a", { kind: "cloud" }),
  ];
  const fleet = aFleet({ nodes, deployments: [spec], versions: [aVersion("digits", 1)] });

  it("gets one by the fewest changes to a node of its kind", () => {
    const nearest = nearestChangesOf(fleet, spec, context);
    expect(nearest("edge")).toEqual(["edge-b: label gpu=true", "edge-c: uncordon it"]);
    expect(nearest("cloud")).toEqual(["cloud-a: label gpu=true"]);
  });

  it("names for one node the changes that admit it together", () => {
    const asked = (name: string) => whyNot(fleet, spec, name, context)?.wouldChange;
    expect(asked("edge-a")).toEqual(["label gpu=true", "uncordon it"]);
    expect(asked("edge-d")).toEqual(["label gpu=true", "connect it again"]);
  });
});
