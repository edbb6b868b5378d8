import { z } from "zod";

/** The window of all figures, in seconds. */
export const TRAFFIC_SECONDS = 60;

export const trafficFigures = z
  .object({
    requests: z.number().int().describe("Requests that ended within the window."),
    ratePerS: z.number().describe("The same per second."),
    errorsPerS: z.number().describe("Those of them that ended with an error other than `CANCELLED`."),
    tokensPerS: z.number().describe("Tokens that models of text wrote."),
    p50Ms: z
      .number()
      .nullable()
      .describe("Of the answered ones, from arrival until the answer began, to within 5 %; null without any."),
    p95Ms: z.number().nullable(),
    p99Ms: z.number().nullable(),
  })
  .meta({ id: "TrafficFigures" });
export type TrafficFigures = z.infer<typeof trafficFigures>;

const deployment = z
  .string()
  .nullable()
  .describe("Null: no replica was asked, and no deployment is named like the model.");
const node = z.string().nullable().describe("Null: no node was asked.");

/** Of `GET /traffic`. */
export const trafficQuery = z.strictObject({
  loads: z
    .enum(["", "true", "false"])
    .default("false")
    .describe("`true`, or without a value: with `loads`, what nodes reported of themselves."),
});

const nodeLoad = z.object({
  node: z.string(),
  cpuPct: z.number(),
  memFreeMiB: z.number(),
  inFlight: z.number().int().describe("Requests there, from all sides."),
  ageMs: z.number().describe("How old its report is."),
});
export type TrafficLoad = z.infer<typeof nodeLoad>;

export const traffic = z
  .object({
    seconds: z.number().describe("The length of the window that the figures are of."),
    total: trafficFigures,
    deployments: z.array(trafficFigures.extend({ deployment, model: z.string() })),
    nodes: z.array(trafficFigures.extend({ node })),
    pairs: z
      .array(trafficFigures.extend({ deployment, model: z.string(), node }))
      .describe("Each deployment on each node, the busiest first, 500 at most."),
    loads: z
      .array(nodeLoad)
      .nullable()
      .default(null)
      .describe(
        "Only with `loads`: the newest load report of each node that has sent one. The watch of nodes leaves these figures out.",
      ),
  })
  .meta({ id: "Traffic" });
export type Traffic = z.infer<typeof traffic>;
