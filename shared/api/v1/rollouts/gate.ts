import { z } from "zod";

/** A share, as an operator writes it. */
const percentage = z
  .string()
  .regex(/^(100|[0-9]{1,2}([.][0-9]{1,3})?)%$/, "a share from 0% to 100%, such as `1%` or `0.5%`");

/** The share that a percentage names: 0.01 of `1%`. */
export const fractionOfPercentage = (text: string): number => Number(text.slice(0, -1)) / 100;

/** What the requests of a wave have to prove: the new version is compared with the old one over the same time. */
export const measures = {
  maxErrorRate: percentage
    .refine((text) => fractionOfPercentage(text) >= 0.001, "must be 0.1% at least")
    .default("1%")
    .describe(
      "How much larger the share of failed requests may be than that of the old version, in percentage points. Without requests of the old version: the share itself.",
    ),
  maxP95Ms: z
    .number()
    .min(1)
    .max(60_000)
    .optional()
    .describe("Most milliseconds in which 95 % of the requests are answered. Default: only `maxP95Ratio` is judged."),
  maxP95Ratio: z
    .number()
    .min(1)
    .max(100)
    .default(2)
    .describe("Largest ratio of the p95 to that of the old version on nodes of the same kind."),
  maxHostCrashes: z
    .number()
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe(
      "Most crashes of the new version's model hosts in a wave. More of them fail it, unless the old version's hosts crash as often per replica. A node whose host crashed counts for `maxFailedNodes`, too, until it is ready again.",
    ),
  maxMemoryRatio: z
    .number()
    .min(1)
    .max(100)
    .optional()
    .describe("Largest ratio of the memory of a replica to that of the old version. Default: memory is not judged."),
  minRequests: z
    .number()
    .int()
    .min(0)
    .max(10_000_000)
    .default(0)
    .describe(
      "Least number of requests that the new version answers before a wave passes. Default: 0, a wave in which no version has requests passes.",
    ),
  useSamples: z
    .boolean()
    .default(false)
    .describe(
      "When callers have asked less than `minRequests` by the end of `bakeSeconds`, both versions are asked the samples of the new one (its file `samples.npz`) until there are so many. Default: false.",
    ),
  maxWaitSeconds: z
    .number()
    .int()
    .min(1)
    .max(604_800)
    .default(300)
    .describe(
      "How long a wave waits for certainty after its version began to answer requests, `bakeSeconds` at least. After it, a version with `minRequests` that is likelier no worse passes; else the rollout pauses. Default: 300.",
    ),
};

/** What answers to copies of requests have to prove beside. */
export const answerMeasures = {
  minAgreement: percentage
    .optional()
    .describe(
      "With `shadow`: least share of copied requests for which both versions decide alike. Labels, texts and integers must be equal; of floats in rows the largest must be at the same place. Default: 99%.",
    ),
  maxDifference: z
    .number()
    .min(0)
    .optional()
    .describe(
      "With `shadow`: largest difference between numbers of both versions' answers. Default: differences are not judged.",
    ),
};

const allMeasures = z.object({ ...measures, ...answerMeasures });
export type GateMeasures = z.infer<typeof allMeasures>;

export const gateCheck = z.enum([
  "requests",
  "errors",
  "p95",
  "p95-ratio",
  "agreement",
  "difference",
  "host-crashes",
  "memory",
]);
export type GateCheck = z.infer<typeof gateCheck>;

/** What one check of a gate found. */
export const gateFinding = z
  .object({
    check: gateCheck,
    result: z.enum(["pass", "fail", "more"]),
    /** With the figures of both versions. */
    sentence: z.string(),
  })
  .meta({ id: "GateFinding" });
export type GateFinding = z.infer<typeof gateFinding>;
