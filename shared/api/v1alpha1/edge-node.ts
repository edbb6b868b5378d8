import { z } from "zod";
import { labels } from "../v1/common.ts";
import { nodeState, placeName } from "../v1/nodes/nodes.ts";
import { resourceConditions } from "./resource.ts";

/** What kubectl may change of an edge node. With an empty spec the object only shows the node, and the API changes it. */
export const edgeNodeSpec = z
  .strictObject({
    cordoned: z.boolean().optional().describe("It gets no new placement; what runs goes on."),
    draining: z.boolean().optional().describe("Its placements move elsewhere."),
    labels: labels.optional().describe("All labels of the node, for `where` in a deployment."),
    site: placeName.optional().describe("Its site: requests of callers at the same site come here first."),
    zone: placeName.optional().describe("What fails together with it: replicas are spread over zones."),
  })
  .superRefine(({ cordoned, draining }, context) => {
    if (draining === true && cordoned !== true)
      context.addIssue({
        code: "custom",
        path: ["draining"],
        message: "a node that drains is cordoned: set `cordoned` too",
      });
  });
export type EdgeNodeSpec = z.infer<typeof edgeNodeSpec>;

/** A node without ages and measured figures, which differ each second. */
export const edgeNodeStatus = z.object({
  observedGeneration: z.number().int().optional().describe("The generation of the object that this status is about."),
  conditions: resourceConditions.default([]),
  state: nodeState.optional(),
  site: z.string().optional(),
  zone: z.string().optional(),
  cordoned: z.boolean().optional(),
  draining: z.boolean().optional(),
  agentVersion: z.string().optional(),
  models: z
    .array(z.object({ model: z.string(), version: z.number().int(), deployment: z.string(), state: z.string() }))
    .max(256)
    .optional()
    .describe("What is placed on it."),
});
export type EdgeNodeStatus = z.infer<typeof edgeNodeStatus>;
