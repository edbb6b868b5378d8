import { z } from "zod";
import { labels } from "../common.ts";

const matchExpression = z.strictObject({
  key: z.string().min(1).max(128),
  operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
  values: z.array(z.string().max(256)).max(64).default([]),
});
export type MatchExpression = z.infer<typeof matchExpression>;

/** A selector as Kubernetes writes it, over a node's labels and its `kind`, `site`, `zone` and `name`. */
export const nodeSelector = z.strictObject({
  matchLabels: labels.default({}),
  matchExpressions: z.array(matchExpression).max(32).default([]),
});
export type NodeSelector = z.infer<typeof nodeSelector>;
