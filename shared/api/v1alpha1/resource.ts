import { z } from "zod";

/** The API group of Skerry's custom resources, and the only version of it. */
export const GROUP = "skerry.dev";
export const VERSION = "v1alpha1";
export const API_VERSION = `${GROUP}/${VERSION}`;

/** What of an object's metadata the control plane reads. */
const resourceMetadata = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  /** Rises with every change of the spec. */
  generation: z.number().int(),
  /** Set once it is deleted, while finalizers keep it. */
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).default([]),
  labels: z.record(z.string(), z.string()).optional(),
});

/** Any custom resource as the API server sends it. `spec` and `status` are decoded by those who know the kind. */
export const resource = z.object({
  metadata: resourceMetadata,
  spec: z.unknown().optional(),
  status: z.unknown().optional(),
});
export type Resource = z.infer<typeof resource>;

/** Kubernetes' conditions. One entry for each `type`, so that other controllers may add theirs. */
export const resourceCondition = z.object({
  type: z.string().max(316),
  status: z.enum(["True", "False", "Unknown"]),
  observedGeneration: z.number().int().optional().describe("The generation of the object that this was found for."),
  lastTransitionTime: z.iso.datetime().describe("When `status` last changed."),
  reason: z.string().max(1_024).describe("One word, CamelCase."),
  message: z.string().max(32_768).describe("One sentence."),
});
export type ResourceCondition = z.infer<typeof resourceCondition>;

export const resourceConditions = z.array(resourceCondition).max(16);
