import { describe, expect, it } from "@jest/globals";
import { storedSpec } from "../../../../../control-plane/adapters/postgres/fleet/stored-spec.ts";
import { deploymentSpec } from "../../../../../shared/api/v1/deployments.ts";

const SPEC = { name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } };

describe("a stored spec", () => {
  it("loses the fields that have been removed since, and nothing else", () => {
    const old = { ...SPEC, placement: { edge: { min: 2, max: 4, every: false }, cloud: { max: 1 }, spread: "none" } };
    const now = { ...SPEC, placement: { edge: { min: 2, every: false }, cloud: {}, spread: "none" } };
    expect(storedSpec.parse(old)).toEqual(deploymentSpec.parse(now));
  });

  it.each([
    ["with a count of one kind only", SPEC],
    ["without a placement", { name: "digits", model: "digits", version: "champion" }],
  ])("reads as the API reads it %s", (_, spec) => {
    expect(storedSpec.parse(spec)).toEqual(deploymentSpec.parse(spec));
  });

  it.each([
    ["a field that never existed", { ...SPEC, replicas: 3 }],
    ["the removed field at another place", { ...SPEC, max: 3 }],
    ["a count that is no number", { ...SPEC, placement: { edge: "two" } }],
    ["no object at all", null],
  ])("is refused with %s", (_, spec) => {
    expect(storedSpec.safeParse(spec).success).toBe(false);
  });
});
