import { z } from "zod";
import { deploymentFindings } from "../v1/deployments/deployments.ts";
import { deploymentSpec } from "../v1/deployments/deployment-spec.ts";
import { placement } from "../v1/deployments/placements.ts";
import { resourceConditions } from "./resource.ts";

/** The spec is the API's, but for the name, which is the object's. */
export const modelDeploymentSpec = deploymentSpec;

const { edge, cloud } = deploymentFindings.shape;

/** So many placements are listed; the counts are of all. */
export const MAX_LISTED_PLACEMENTS = 64;

/** What the leader found of a deployment, and where it runs. No ages and no measured figures: they differ each second. */
export const modelDeploymentStatus = z.object({
  observedGeneration: z.number().int().optional().describe("The generation of the object that this status is about."),
  conditions: resourceConditions.default([]),
  activeVersion: z.number().int().optional().describe("The version that answers requests."),
  targetVersion: z.number().int().optional().describe("The version that `spec.version` names."),
  edge: edge.optional(),
  cloud: cloud.optional(),
  unplaced: z.array(z.string().max(1_024)).max(64).optional().describe("Why replicas could not be placed."),
  placements: z
    .array(
      placement.pick({ node: true, kind: true, version: true, state: true }).extend({
        reason: z.string().max(1_024).optional().describe("Why it failed."),
      }),
    )
    .max(MAX_LISTED_PLACEMENTS)
    .optional()
    .describe(`Where it runs, by node; ${MAX_LISTED_PLACEMENTS} at most.`),
  url: z.string().optional().describe("Where applications send their requests."),
});
export type ModelDeploymentStatus = z.infer<typeof modelDeploymentStatus>;
