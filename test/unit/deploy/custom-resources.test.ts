import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";
import { CUSTOM_RESOURCES, definitionOf } from "../../../scripts/crds/custom-resources.ts";
import { structuralSchema } from "../../../scripts/crds/structural-schema.ts";
import { deploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import { REFUSED_SPECS } from "../../support/kubernetes/refused-specs.ts";

const FOLDER = path.resolve(import.meta.dirname, "../../../deploy/crds");
const manifest = (name: string): unknown => parse(readFileSync(path.join(FOLDER, `${name}.yaml`), "utf8"));

/** What is said of one kind; what the object's metadata has is not in its spec. */
const sentencesAbout = (kind: string, spec: object): readonly string[] => {
  const found = CUSTOM_RESOURCES.find((each) => each.kind === kind);
  const ofMetadata: Readonly<Record<string, string>> = { name: "digits", namespace: "skerry" };
  const named = {
    ...Object.fromEntries((found?.specWithout ?? []).map((field) => [field, ofMetadata[field]])),
    ...spec,
  };
  const issues = found?.spec.safeParse(named).error?.issues ?? [];
  return issues.flatMap((issue) => [
    issue.message,
    ...(issue.code === "invalid_union" ? issue.errors.flat().map(({ message }) => message) : []),
  ]);
};

const rulesIn = (value: unknown): readonly { rule: string; message: string }[] => {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "x-kubernetes-validations" ? (inner as { rule: string; message: string }[]) : rulesIn(inner),
  );
};

describe("the custom resource definitions in deploy/crds", () => {
  it.each(CUSTOM_RESOURCES.map((of) => [of.plural, of] as const))(
    "say of %s what the schemas of the API say: `npm run crds` writes them",
    (plural, of) => {
      expect(manifest(plural)).toEqual(JSON.parse(JSON.stringify(definitionOf(of))));
    },
  );

  it("are all in the list that kubectl applies", () => {
    const { resources } = manifest("kustomization") as { resources: string[] };
    expect(resources.toSorted()).toEqual(CUSTOM_RESOURCES.map(({ plural }) => `${plural}.yaml`).toSorted());
  });

  it("give every rule a sentence", () => {
    for (const of of CUSTOM_RESOURCES)
      for (const { rule, message } of rulesIn(definitionOf(of)))
        expect({ rule, message }).toEqual({ rule: expect.any(String), message: expect.stringMatching(/^.{10,}/) });
  });

  it.each(REFUSED_SPECS.map((each) => [each.what, each] as const))(
    "refuse %s in the words of the API",
    (_, { kind, spec, sentence }) => {
      expect(sentencesAbout(kind, spec).join("; ")).toContain(sentence);
      const of = CUSTOM_RESOURCES.find((each) => each.kind === kind);
      const said = of ? rulesIn(definitionOf(of)).map(({ message }) => message) : [];
      expect(said.some((message) => message.includes(sentence))).toBe(true);
    },
  );
});

describe("a structural schema", () => {
  it("has no field that a structural schema may not have", () => {
    const text = JSON.stringify(CUSTOM_RESOURCES.map(definitionOf));
    for (const keyword of ["$ref", "$defs", "anyOf", "propertyNames", '"additionalProperties":false', "x-sentence"])
      expect(text).not.toContain(keyword);
  });

  it("keeps defaults, bounds and enums of the schema", () => {
    const schema = structuralSchema(deploymentSpec);
    expect(schema.properties?.["placement"]?.properties?.["residency"]).toEqual({
      type: "string",
      default: "any",
      enum: ["any", "edge-only", "cloud-only"],
    });
    expect(schema.properties?.["limits"]?.properties?.["timeoutMs"]).toMatchObject({ minimum: 10, maximum: 60_000 });
  });

  it("gives the defaults that the API gives", () => {
    const spec = { name: "digits", model: "digits", version: 1 };
    const { placement, limits } = structuralSchema(deploymentSpec).properties ?? {};
    const parsed = deploymentSpec.parse(spec);
    expect(placement?.["default"]).toEqual(parsed.placement);
    expect(limits?.["default"]).toEqual(parsed.limits);
  });

  it("refuses to guess how long a text with an unknown pattern may be", () => {
    expect(() => structuralSchema(z.strictObject({ code: z.string().regex(/^[A-Z]+$/, "capitals") }))).toThrow(
      "LONGEST",
    );
  });
});
