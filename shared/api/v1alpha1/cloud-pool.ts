import { z } from "zod";
import { cloudPoolSpec, poolFindings } from "../v1/nodes/cloud-pools.ts";
import { resourceConditions } from "./resource.ts";

/** The spec is the API's, but for the name, which is the object's, and the namespace, which is the object's too. */
export const cloudPoolResourceSpec = cloudPoolSpec;

const { wanted, replicas, ready, pending } = poolFindings.shape;

/** What the leader found of a pool. */
export const cloudPoolStatus = z.object({
  observedGeneration: z.number().int().optional().describe("The generation of the object that this status is about."),
  conditions: resourceConditions.default([]),
  wanted: wanted.optional(),
  replicas: replicas.optional(),
  ready: ready.optional().describe("Pods that are ready nodes."),
  pending: pending.optional(),
  trouble: z
    .string()
    .max(4_096)
    .optional()
    .describe("What keeps it from having its pods, in the words of the cluster."),
});
export type CloudPoolStatus = z.infer<typeof cloudPoolStatus>;
