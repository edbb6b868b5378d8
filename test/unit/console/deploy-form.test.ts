import { describe, expect, it } from "@jest/globals";
import { formOf, newForm, problemOf, specOf } from "../../../console/src/core/deployments/deploy-form.ts";
import { deploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";

const form = newForm("digits", "1", new Set());

describe("the form of a deployment", () => {
  it("proposes the model's name, or the next that is free", () => {
    expect(form.name).toBe("digits");
    expect(newForm("digits", "1", new Set(["digits", "digits-2"])).name).toBe("digits-3");
    expect(newForm("d".repeat(63), "1", new Set(["d".repeat(63)])).name).toHaveLength(60);
  });

  it("asks for what the control plane takes, with its defaults for the rest", () => {
    const spec = specOf({
      ...form,
      version: "champion",
      labels: "gpu=true, hall=north",
      cloud: { min: 0, max: 3, every: false },
    });
    const taken = deploymentSpec.parse(spec);
    expect(taken).toEqual(
      deploymentSpec.parse({
        name: "digits",
        model: "digits",
        version: "champion",
        placement: {
          where: { matchLabels: { gpu: "true", hall: "north" } },
          edge: { min: 1 },
          cloud: { min: 0, max: 3 },
        },
      }),
    );
    expect(specOf(form).version).toBe(1);
  });

  it("changes what it shows, and leaves the rest of a spec as it was", () => {
    const before = deploymentSpec.parse({
      name: "digits",
      model: "digits",
      version: "champion",
      priority: 7,
      slo: { p95Ms: 50 },
      rollout: { strategy: "canary" },
      placement: {
        where: { matchLabels: { hall: "north" }, matchExpressions: [{ key: "gpu", operator: "Exists" }] },
        residency: "edge-only",
        edge: { min: 2, max: 4 },
        spread: "none",
        weights: { cost: 1 },
      },
    });
    expect(specOf(formOf(before), before)).toEqual(before);
    const changed = specOf({ ...formOf(before), version: "3", edge: { min: 2, max: 4, every: true } }, before);
    expect(deploymentSpec.parse(changed)).toEqual({
      ...before,
      version: 3,
      placement: { ...before.placement, edge: { min: 0, every: true } },
    });
  });

  it("keeps one replica on every cloud node where that was declared", () => {
    const before = deploymentSpec.parse({
      name: "digits",
      model: "digits",
      version: 1,
      placement: { edge: { min: 2 }, cloud: { every: true } },
    });
    expect(specOf({ ...formOf(before), version: "2" }, before).placement).toEqual(before.placement);
  });

  it.each([
    [{ name: "" }, /name/],
    [{ version: "" }, /version/],
    [{ labels: "gpu" }, /“gpu” is no label/],
    [{ labels: "gpu=true=false" }, /is no label/],
    [{ labels: "=true" }, /is no label/],
    [{ edge: { min: 3, max: 2, every: false } }, /fewer than the least/],
    [{ cloud: { min: 3, max: 2, every: false } }, /fewer than the least/],
    [{ edge: { min: 0, max: undefined, every: false } }, /Ask for a replica/],
  ])("says what is missing: %j", (part, problem) => {
    expect(problemOf({ ...form, ...part })).toMatch(problem);
  });

  it.each([
    { edge: { min: 0, max: undefined, every: true } },
    { edge: { min: 0, max: 2, every: false } },
    { edge: { min: 0, max: undefined, every: false }, cloud: { min: 1, max: undefined, every: false } },
    { labels: " gpu = true ,, " },
  ])("is a spec: %j", (part) => {
    expect(problemOf({ ...form, ...part })).toBeUndefined();
    expect(deploymentSpec.safeParse(specOf({ ...form, ...part })).error).toBeUndefined();
  });
});
