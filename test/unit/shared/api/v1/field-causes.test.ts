import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { causesOfIssues } from "../../../../../shared/api/v1/field-causes.ts";
import { deploymentSpec } from "../../../../../shared/api/v1/deployments/deployment-spec.ts";
import { createApiKey } from "../../../../../shared/api/v1/access/keys.ts";

function causes(schema: z.ZodType, value: unknown): string[] {
  const result = schema.safeParse(value);
  return result.success
    ? []
    : causesOfIssues(schema, result.error.issues, value).map(({ field, message }) => `${field}: ${message}`);
}

describe("the causes of a refusal", () => {
  it("name a missing field, one that is unknown, and one of the wrong type", () => {
    expect(causes(z.strictObject({ a: z.string(), b: z.number() }), { b: "1", c: 1 })).toEqual([
      "a: is missing",
      "b: must be a number, not a string",
      "c: is not a known field; known are `a`, `b`",
    ]);
  });

  it("tell null and arrays from objects", () => {
    expect(causes(z.strictObject({ a: z.looseObject({}) }), { a: null })).toEqual(["a: must be an object, not null"]);
    expect(causes(z.strictObject({ a: z.looseObject({}) }), { a: [] })).toEqual(["a: must be an object, not an array"]);
  });

  it("give bounds with their unit", () => {
    const schema = z.strictObject({
      text: z.string().max(1),
      list: z.array(z.number()).min(2),
      number: z.number().max(3),
    });
    expect(causes(schema, { text: "ab", list: [1], number: 4 })).toEqual([
      "text: must have at most 1 character",
      "list: must have at least 2 items",
      "number: must be at most 3",
    ]);
  });

  it("list the fields that are known where the unknown one is", () => {
    const spec = { name: "d", model: "m", version: 1 };
    const where = { matchExpressions: [{ key: "a", operator: "Exists", value: "1" }] };
    expect(causes(deploymentSpec, { ...spec, placement: { edge: { minimum: 1 }, where } })).toEqual([
      "placement.where.matchExpressions.0.value: is not a known field; known are `key`, `operator`, `values`",
      "placement.edge.minimum: is not a known field; known are `min`, `max`, `every`",
    ]);
    expect(causes(z.strictObject({}), { a: 1 })).toEqual(["a: is not a known field; none is known here"]);
  });

  it("say what a name must look like", () => {
    expect(causes(createApiKey, { name: "A B", role: "viewer" })).toEqual([
      "name: must be 1–63 characters of a–z, 0–9, `.`, `_`, `-`, beginning with a letter or digit",
    ]);
  });

  it.each(["viewer", "operator", "admin"])("refuse a scope that a key with the role %s would not keep to", (role) => {
    const scope = { models: ["digits"], modelLabels: { team: "vision" }, deployments: ["digits"] };
    const why = `narrows keys of applications alone: a key with the role ${role} sees everything; leave it out, or make the role \`application\``;
    expect(causes(createApiKey, { name: "a", role, ...scope })).toEqual([
      `models: ${why}`,
      `modelLabels: ${why}`,
      `deployments: ${why}`,
    ]);
    expect(createApiKey.safeParse({ name: "a", role, models: [], modelLabels: {}, deployments: [] }).success).toBe(
      true,
    );
    expect(createApiKey.safeParse({ name: "a", role: "application", ...scope }).success).toBe(true);
  });

  it("name what is allowed", () => {
    expect(causes(createApiKey, { name: "a", role: "god" })).toEqual([
      "role: must be `viewer` or `operator` or `admin` or `application`",
    ]);
  });

  it("point into lists and maps", () => {
    const where = { matchLabels: { gpu: 1 }, matchExpressions: [{ key: "a", operator: "Is" }] };
    expect(causes(deploymentSpec, { name: "d", model: "m", version: 1, placement: { where } })).toEqual([
      "placement.where.matchLabels.gpu: must be a string, not a number",
      "placement.where.matchExpressions.0.operator: must be `In` or `NotIn` or `Exists` or `DoesNotExist`",
    ]);
  });

  it("name what contradicts itself", () => {
    const spec = { name: "d", model: "m", version: 1 };
    expect(
      causes(deploymentSpec, { ...spec, placement: { residency: "edge-only", edge: { min: 1 }, cloud: { min: 1 } } }),
    ).toEqual(["placement.cloud: cannot ask for cloud replicas while `residency` is edge-only"]);
  });
});
