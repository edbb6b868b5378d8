import { z } from "zod";
import { variantName } from "../../../protocol/model-files/variants.ts";
import { MAX_STREAMS_PER_DEPLOYMENT, streamSpec } from "../../../protocol/streams.ts";
import { aliasName, objectName, versionNumber } from "../common.ts";
import { nodeSelector } from "../nodes/node-selector.ts";
import { rolloutSpec } from "../rollouts/rollout-spec.ts";
import { cascadeSpec } from "./cascade-spec.ts";

const replicaCount = z
  .strictObject({
    min: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(0)
      .describe("Least number of replicas; without `max`, their number."),
    max: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .optional()
      .describe(
        "Most replicas. With it their number follows measured demand, and with `min: 0` a deployment without requests has none: the first request then waits for a replica, until its deadline at most. Default: the number is `min`.",
      ),
    /** One replica on each matching node; `min` is ignored then. */
    every: z.boolean().default(false),
  })
  .refine(({ min, max }) => max === undefined || max >= min, { path: ["max"], message: "must not be below `min`" })
  .refine(({ max, every }) => max === undefined || !every, {
    path: ["max"],
    message: "cannot be combined with `every`, which places one replica on each matching node",
  });

const weight = z.number().min(0).max(1).optional();

/** What the scores of the planner weigh for one deployment, by their names. */
export const scoreWeights = z
  .strictObject({
    latency: weight.describe("Time until an answer. Default: 0.25."),
    warm: weight.describe("Time until the version could serve there. Default: 0.2."),
    headroom: weight.describe("Room left on the node; on cloud nodes, room used. Default: 0.15."),
    spread: weight.describe("Few replicas in the node's zone. Default: 0.15."),
    reliability: weight.describe("No failed or stalled replicas there. Default: 0.1."),
    cost: weight.describe("A low cost of the node. Default: 0.1."),
    balance: weight.describe("Equal use of CPU and memory. Default: 0.05."),
  })
  .refine((weights) => Object.values(weights).length < 7 || Object.values(weights).some((each) => each !== 0), {
    message: "must not all be 0",
  })
  .describe(
    "How much each score counts when a node is chosen; those that are left out keep their default. Only their ratio matters: all seven together are scaled to 1.",
  );
export type ScoreWeights = z.infer<typeof scoreWeights>;

const asksFor = ({ min, max = 0, every }: z.infer<typeof replicaCount>): boolean => every || min > 0 || max > 0;

/** Of a request, where neither its deployment nor its caller says otherwise. */
export const DEFAULT_TIMEOUT_MS = 10_000;

export const residency = z.enum(["any", "edge-only", "cloud-only"]);
export type Residency = z.infer<typeof residency>;

/** What an operator declares. `version` is a number or an alias. */
export const deploymentSpec = z
  .strictObject({
    name: objectName,
    model: objectName,
    version: z.union([versionNumber, aliasName]),
    variant: variantName
      .optional()
      .describe(
        "Which graph of a version with variants its nodes get: the name of a variant, `reference`, or `auto`, by which each node gets what fits it and is quick there. Default: `auto`.",
      ),
    placement: z
      .strictObject({
        where: nodeSelector.default({ matchLabels: {}, matchExpressions: [] }),
        residency: residency.default("any"),
        edge: replicaCount.default({ min: 0, every: false }),
        cloud: replicaCount.default({ min: 0, every: false }),
        spread: z.enum(["zone", "none"]).default("zone"),
        maxPushMinutes: z
          .number()
          .int()
          .min(1)
          .max(10_080)
          .optional()
          .describe(
            "Longest that a push to a node may take, in minutes, at the rate that was measured there. A slower node gets no replica. Default: 60.",
          ),
        weights: scoreWeights.optional(),
      })
      .default({
        where: { matchLabels: {}, matchExpressions: [] },
        residency: "any",
        edge: { min: 1, every: false },
        cloud: { min: 0, every: false },
        spread: "zone",
      }),
    priority: z
      .number()
      .int()
      .min(-1_000)
      .max(1_000)
      .optional()
      .describe(
        "Deployments of higher priority are placed first. One that has not its `min` may take the room of replicas of lower priority, never below the `min` of their deployment. Default: 0.",
      ),
    paused: z
      .boolean()
      .optional()
      .describe(
        "No replica is wanted, whatever `placement` says. `unload` of the Open Inference Protocol sets it, `load` removes it. Default: false.",
      ),
    slo: z
      .strictObject({
        p95Ms: z.number().min(1).max(60_000),
        /** Whether a late request may be sent to a second replica too; the first answer wins. */
        hedge: z.boolean().default(false),
      })
      .optional(),
    update: z
      .strictObject({
        breakFirst: z
          .boolean()
          .default(false)
          .describe(
            "On a node that has another version, unload it before the new one loads; the bytes of the new one come first. Default: only where both do not fit into the node's memory.",
          ),
      })
      .optional(),
    rollout: rolloutSpec
      .optional()
      .describe(
        "How another version takes over: in waves, each of which has to prove itself, with a return to the version before. Without it replicas of the new version take over as soon as they are ready.",
      ),
    cascade: cascadeSpec.optional(),
    streams: z
      .array(streamSpec)
      .max(MAX_STREAMS_PER_DEPLOYMENT)
      .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "must not share a name")
      .optional()
      .describe(
        "What the nodes of this deployment read from sources of their own, send through the model, and emit. Each node with a replica runs each stream. Only results leave the node.",
      ),
    limits: z
      .strictObject({
        memMiB: z.number().int().min(64).max(1_048_576).optional(),
        timeoutMs: z.number().int().min(10).max(60_000).default(DEFAULT_TIMEOUT_MS),
        maxBatch: z
          .number()
          .int()
          .min(1)
          .max(256)
          .optional()
          .describe(
            "Most rows that requests may share in one run of the model; 1 switches sharing off. Default: 32. Applies where every input and output has a variable first dimension and rows do not depend on each other: where the graph proves it, or `rowsAreIndependent` declares it.",
          ),
        queue: z
          .number()
          .int()
          .min(0)
          .max(65_536)
          .optional()
          .describe(
            "Most requests that may wait at one replica, whatever their deadlines. Default: 1024. A request that would be answered after its deadline is refused before that.",
          ),
        isolation: z
          .enum(["shared", "dedicated"])
          .optional()
          .describe(
            "`shared`: the model may run in one process with other small models of its node, which saves their memory; `dedicated`: in a process of its own. `shared` is for models of tensors of at most 64 MiB without `memMiB`. Default: `shared` for those whose `timeoutMs` is not above 10000, `dedicated` for all others.",
          ),
        rowsAreIndependent: z
          .boolean()
          .optional()
          .describe(
            "Declares that each row of every output depends on the same row of the inputs alone, where the graph does not prove it. If that is wrong, callers that share a run change each other's answers. Default: only what the graph proves.",
          ),
        maxDelayUs: z
          .number()
          .int()
          .min(0)
          .max(100_000)
          .optional()
          .describe(
            "How long an idle model waits for more requests to share its run, in µs, rounded up to whole ms. Default: 0, no request waits: those that arrive during a run share the next one.",
          ),
      })
      .default({ timeoutMs: DEFAULT_TIMEOUT_MS }),
  })
  .superRefine(({ name, cascade, placement: { residency: where, edge, cloud } }, context) => {
    if (cascade?.to === name)
      context.addIssue({ code: "custom", path: ["cascade", "to"], message: "must be another deployment" });
    const refuse = (kind: "edge" | "cloud"): void =>
      context.addIssue({
        code: "custom",
        path: ["placement", kind],
        message: `cannot ask for ${kind} replicas while \`residency\` is ${where}`,
      });
    if (where === "edge-only" && asksFor(cloud)) refuse("cloud");
    if (where === "cloud-only" && asksFor(edge)) refuse("edge");
  })
  .meta({ id: "DeploymentSpec" });
export type DeploymentSpec = z.infer<typeof deploymentSpec>;
