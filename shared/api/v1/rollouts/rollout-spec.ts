import { z } from "zod";
import { freezeWindow } from "./freeze-window.ts";
import { answerMeasures, measures } from "./gate.ts";
import { nodeSelector } from "../nodes/node-selector.ts";

/** Fields of a wave of which exactly one says how far it goes. */
const REACHES = ["percent", "replicas", "zone", "where"] as const;

/** How far one wave goes. Exactly one of the fields. */
export const wave = z
  .strictObject({
    percent: z
      .number()
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe(
        "The new version is on this share of the nodes of each kind that serve the deployment, rounded up, when the wave ends. With `canary` it also answers this share of the requests.",
      ),
    replicas: z.number().int().min(1).max(10_000).optional().describe("So many nodes more."),
    zone: z.string().min(1).max(256).optional().describe("All nodes of this zone that serve the deployment."),
    where: nodeSelector
      .optional()
      .describe("All nodes that serve the deployment and match, by labels, `kind`, `site`, `zone` and `name`."),
  })
  .refine((of) => REACHES.filter((field) => of[field] !== undefined).length === 1, {
    message: "must have exactly one of `percent`, `replicas`, `zone` and `where`",
  });
export type Wave = z.infer<typeof wave>;

/** What a wave has to prove before the next one begins. */
export const gateSpec = z.strictObject({
  maxFailedNodes: z
    .number()
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe(
      "Nodes that may fail before the rollout returns: the new version does not load there, ends there after it was ready, or the node falls silent with it. Default: 0.",
    ),
  ...measures,
  ...answerMeasures,
});

export const rolloutStrategy = z.enum(["rolling", "canary", "blue-green", "shadow", "recreate"]);
export type RolloutStrategy = z.infer<typeof rolloutStrategy>;

/** Strategies that take one step: waves would do nothing there. */
export const ONE_STEP: readonly RolloutStrategy[] = ["blue-green", "shadow", "recreate"];

/** Where a rollout waits for an operator: before it begins, and before the new version takes over and the old one leaves. */
export const approvalStage = z.enum(["start", "promote"]);
export type ApprovalStage = z.infer<typeof approvalStage>;

/** How a deployment goes from one version to another. */
export const rolloutSpec = z
  .strictObject({
    strategy: rolloutStrategy
      .default("rolling")
      .describe(
        "`rolling`: in waves of nodes, requests follow the replicas. `canary`: in waves, the new version answers the percentage of each. `blue-green`: all replicas load beside the old ones, then all requests move at once. `shadow`: like `blue-green`, but before any request moves the new version gets copies of requests, whose answers are compared with those of the old one and thrown away. `recreate`: the old replicas leave before the new ones load, so requests fail meanwhile.",
      ),
    waves: z
      .array(wave)
      .min(1)
      .max(20)
      .optional()
      .describe(
        "One after the other; a wave of 100 percent follows if the last is another. Default: 25, 50 and 100 percent, with `canary` 10, 50 and 100. Not with `blue-green`, `shadow` and `recreate`, which take one step.",
      ),
    bakeSeconds: z
      .number()
      .int()
      .min(0)
      .max(86_400)
      .default(60)
      .describe("How long the new version answers requests in each wave before the wave can pass. Default: 60."),
    gate: gateSpec
      .prefault({})
      .describe("What the new version has to prove in each wave. With `bakeSeconds: 0` no request is measured."),
    freeze: z
      .array(freezeWindow)
      .min(1)
      .max(20)
      .optional()
      .describe(
        "Times of the week in which no wave begins and no version takes over; a wave that bakes goes on, and a return is never held up. Default: none.",
      ),
    approval: z
      .array(approvalStage)
      .min(1)
      .max(approvalStage.options.length)
      .refine((stages) => new Set(stages).size === stages.length, "must name each stage once")
      .optional()
      .describe(
        "Where a rollout waits until an operator approves: `start` before its first wave, `promote` before the new version takes over. Default: nowhere.",
      ),
  })
  .superRefine(({ strategy, waves = [], gate, bakeSeconds }, context) => {
    const refuse = (path: string[], message: string): void => context.addIssue({ code: "custom", path, message });
    if (gate.useSamples && gate.minRequests === 0)
      refuse(["gate", "useSamples"], "needs `minRequests`, which says how many requests samples make up for");
    if (gate.useSamples && bakeSeconds === 0)
      refuse(["gate", "useSamples"], "cannot be combined with `bakeSeconds: 0`, with which no request is measured");
    if (strategy === "shadow" && bakeSeconds === 0)
      refuse(["bakeSeconds"], "must be 1 at least with `shadow`, which compares answers in this time");
    for (const field of ["minAgreement", "maxDifference"] as const)
      if (strategy !== "shadow" && gate[field] !== undefined)
        refuse(["gate", field], "can only be used with `strategy: shadow`, which compares answers");
    if (waves.length > 0 && ONE_STEP.includes(strategy)) refuse(["waves"], `cannot be combined with \`${strategy}\``);
    const percents = waves.flatMap(({ percent }) => percent ?? []);
    if (percents.some((percent, at) => percent <= (percents[at - 1] ?? 0)))
      refuse(["waves"], "must have rising `percent`s");
  });
export type RolloutSpec = z.infer<typeof rolloutSpec>;
