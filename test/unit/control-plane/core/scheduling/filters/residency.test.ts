import { describe, expect, it } from "@jest/globals";
import { residencyFilter } from "../../../../../../control-plane/core/scheduling/filters/residency.ts";
import type { Residency } from "../../../../../../shared/api/v1/deployments/deployment-spec.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const refusal = (residency: Residency, kind: "edge" | "cloud") =>
  refusalOn(
    residencyFilter,
    aCandidate({ of: { kind } }),
    aRequest({ spec: { placement: { residency, edge: {}, cloud: {} } } }),
  );

describe("residency", () => {
  it.each([
    ["any", "edge"],
    ["any", "cloud"],
    ["edge-only", "edge"],
    ["cloud-only", "cloud"],
  ] as const)("%s accepts a node of kind %s", (residency, kind) => {
    expect(refusal(residency, kind)).toBeUndefined();
  });

  it.each([
    ["edge-only", "cloud", "digits is edge-only; edge-a is a cloud node"],
    ["cloud-only", "edge", "digits is cloud-only; edge-a is an edge node"],
  ] as const)("%s refuses for good a node of kind %s", (residency, kind, sentence) => {
    expect(refusal(residency, kind)).toEqual({ verdict: "never", sentence });
  });
});
