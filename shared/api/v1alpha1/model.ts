import { z } from "zod";
import { aliasName, labels, versionNumber } from "../v1/common.ts";
import { versionState } from "../v1/models.ts";
import { resourceConditions } from "./resource.ts";

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "`sha256:` and 64 lower-case hex digits");

/** Digests are known before a version has its number: a repository can hold them. */
const modelAlias = z
  .strictObject({
    name: aliasName,
    version: versionNumber.optional().describe("The number of a version in the registry."),
    digest: digest.optional().describe("The digest of a version in the registry, as `skerry models get` shows it."),
  })
  .superRefine(({ version, digest: named }, context) => {
    if ((version === undefined) === (named === undefined))
      context.addIssue({ code: "custom", message: "an alias names a version by `version` or by `digest`, and by one" });
  });
export type ModelAlias = z.infer<typeof modelAlias>;

/**
 * A model, its labels and which version each alias names. Versions are pushed to the registry (`skerry models push`) and
 * named here by number or digest: the control plane downloads nothing from an address in a custom resource.
 */
export const modelSpec = z.strictObject({
  labels: labels.default({}),
  aliases: z.array(modelAlias).max(64).default([]).describe("Other aliases of the model stay as they are."),
  deletionPolicy: z
    .enum(["Retain", "Delete"])
    .default("Retain")
    .describe(
      "What happens to the model and its versions in the registry when this object is deleted. Retain: they stay, and the API may change them again.",
    ),
});
export type ModelSpec = z.infer<typeof modelSpec>;

export const MAX_LISTED_VERSIONS = 64;

export const modelStatus = z.object({
  observedGeneration: z.number().int().optional().describe("The generation of the object that this status is about."),
  conditions: resourceConditions.default([]),
  latestVersion: z.number().int().optional(),
  aliases: z
    .array(z.object({ name: z.string(), version: z.number().int() }))
    .max(256)
    .optional()
    .describe("Every alias of the model, also those that the API made."),
  versions: z
    .array(z.object({ version: z.number().int(), digest: z.string(), state: versionState }))
    .max(MAX_LISTED_VERSIONS)
    .optional()
    .describe(`The newest ${MAX_LISTED_VERSIONS} versions in the registry.`),
});
export type ModelStatus = z.infer<typeof modelStatus>;
