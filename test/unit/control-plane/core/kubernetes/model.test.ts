import { describe, expect, it } from "@jest/globals";
import {
  acceptedModelStatus,
  planAliases,
  refusedModelStatus,
} from "../../../../../control-plane/core/kubernetes/model.ts";
import type { Model, ModelVersion } from "../../../../../shared/api/v1/models.ts";
import { modelSpec } from "../../../../../shared/api/v1alpha1/model.ts";
import type { Resource } from "../../../../../shared/api/v1alpha1/resource.ts";

const digest = (fill: string): string => `sha256:${fill.repeat(64)}`;
const version = (number: number, fill: string, state: ModelVersion["state"] = "ready"): ModelVersion => ({
  model: "digits",
  version: number,
  state,
  reason: null,
  damage: null,
  digest: digest(fill),
  artifact: null,
  bytes: 1,
  format: "onnx",
  runtime: "onnx",
  main: "model.onnx",
  files: [],
  opset: null,
  irVersion: null,
  producer: null,
  inputs: [],
  outputs: [],
  rows: null,
  text: null,
  encoder: null,
  engine: null,
  pipeline: null,
  variants: [],
  notes: [],
  labels: {},
  metrics: {},
  createdAt: "",
});
const model: Model = { name: "digits", labels: {}, aliases: { champion: 1 }, latestVersion: 3, createdAt: "" };
const planned = (aliases: object[], versions: readonly ModelVersion[]) =>
  planAliases(modelSpec.parse({ aliases }), model, versions);
const object: Resource = {
  metadata: {
    name: "digits",
    namespace: "skerry",
    uid: "u",
    resourceVersion: "1",
    generation: 2,
    finalizers: [],
  },
};

describe("the aliases that a Model declares", () => {
  it("move nothing that names the right version already", () => {
    expect(planned([{ name: "champion", version: 1 }], [version(1, "a")])).toEqual({ moves: [], missing: [] });
  });

  it("name, by a digest, the newest ready version with these bytes", () => {
    const versions = [version(1, "a"), version(2, "b"), version(3, "b"), version(4, "b", "checking")];
    expect(planned([{ name: "champion", digest: digest("b") }], versions).moves).toEqual([
      { alias: "champion", version: 3 },
    ]);
  });

  it("wait for versions that are not there, or not ready, and move the others", () => {
    const aliases = [
      { name: "a", version: 9 },
      { name: "b", version: 2 },
      { name: "c", digest: digest("f") },
      { name: "d", version: 1 },
    ];
    expect(planned(aliases, [version(1, "a"), version(2, "b", "rejected")])).toEqual({
      moves: [{ alias: "d", version: 1 }],
      missing: [
        { reason: "VersionNotFound", message: "a: there is no version 9" },
        { reason: "VersionNotReady", message: "b: version 2 is rejected" },
        { reason: "VersionNotFound", message: `c: there is no version with ${digest("f")}` },
      ],
    });
  });
});

describe("the status of a Model", () => {
  it("is Ready when every alias is set, and lists the newest versions first", () => {
    const versions = Array.from({ length: 70 }, (_, i) => version(i + 1, "a"));
    const status = acceptedModelStatus(object, { model, versions, missing: [], now: "2026-01-05T10:00:00.000Z" });
    expect(status.conditions.map(({ type, status: is }) => `${type} ${is}`)).toEqual(["Accepted True", "Ready True"]);
    expect(status.versions).toHaveLength(64);
    expect(status.versions?.[0]?.version).toBe(70);
    expect(status).toMatchObject({ observedGeneration: 2, aliases: [{ name: "champion", version: 1 }] });
  });

  it("keeps what is known of the model when it is refused", () => {
    const now = "2026-01-05T10:00:00.000Z";
    const status = acceptedModelStatus(object, { model, versions: [version(1, "a")], missing: [], now });
    const refused = refusedModelStatus({ ...object, status }, { reason: "DeclaredElsewhere", message: "no" }, now);
    expect(refused).toMatchObject({ latestVersion: 3, versions: [{ version: 1 }] });
    expect(refused.conditions.map(({ type, status: is, reason }) => `${type} ${is} ${reason}`)).toEqual([
      "Accepted False DeclaredElsewhere",
      "Ready False DeclaredElsewhere",
    ]);
  });
});
