import { z } from "zod";
import { runSharing } from "../../../protocol/placement.ts";

/** `not now`: state may change. `never`: spec, hardware or software must change. `bug`: ours, please report. */
export const verdictKind = z.enum(["not now", "never", "bug"]);
export type VerdictKind = z.infer<typeof verdictKind>;

export const rejection = z.object({ node: z.string(), code: z.string(), verdict: verdictKind, sentence: z.string() });
const scored = z.object({
  /** 0–100; 50 when the signal is unknown. */
  score: z.number(),
  weight: z.number(),
  /** The measured figure behind the score, with its unit; `unknown` when there is none. */
  raw: z.string(),
});
const rankedNode = z.object({ node: z.string(), total: z.number(), scores: z.record(z.string(), scored) });

const roomReason = z
  .enum(["priority", "minimum", "demand"])
  .describe(
    "Why a replica makes room for another one: that has a higher priority, or is of a minimum while this is beyond its own, or is asked much more. Absent: it was leaving, or `priority` before this was recorded.",
  );
export type RoomReason = z.infer<typeof roomReason>;

/**
 * Why a placement was decided so: kept with the placement, shown by API and CLI. It is the evidence that the planner had, and
 * not its input: the fleet as it was is not kept, so no decision is made again from its record.
 */
export const explainRecord = z
  .object({
    id: z.string(),
    modelVersion: z.string(),
    deployment: z.string(),
    generation: z.number().int(),
    profile: z.string(),
    trigger: z.string(),
    kind: z.enum(["edge", "cloud"]),
    evaluated: z.number().int(),
    feasible: z.number().int(),
    /** Filter code → how many nodes it refused. */
    rejected: z.record(z.string(), z.number().int()),
    /** Refused nodes by name, the first 50; any other is told by `?node=`. */
    rejections: z.array(rejection),
    /** The best five, with every score. */
    top: z.array(rankedNode),
    chosen: z.array(z.string()),
    /** Points between the last chosen and the first not chosen; null when there is no other. */
    margin: z.number().nullable(),
    tieBreak: z.string().nullable(),
    variant: z
      .object({ name: z.string(), why: z.string() })
      .optional()
      .describe("The graph of the version that the chosen node gets, and why. Absent: the version has one."),
    victims: z
      .array(
        z.object({
          placementId: z.string(),
          deployment: z.string(),
          modelVersion: z.string(),
          node: z.string(),
          priority: z.number().int(),
          reason: roomReason.optional(),
        }),
      )
      .optional()
      .describe("Replicas of other deployments that leave the chosen node so that there is room. Absent: none."),
    preemptedBy: z
      .array(
        z.object({
          deployment: z.string(),
          node: z.string(),
          priority: z.number().int(),
          reason: roomReason.optional(),
        }),
      )
      .optional()
      .describe("Deployments that were given the room of replicas of this one, and where. Absent: none."),
    thrashing: z
      .literal(true)
      .optional()
      .describe(
        "The version made room for another deployment less than 10 minutes before, and now stays for 30 minutes. Absent: no.",
      ),
    moves: z
      .object({ placementId: z.string(), node: z.string(), gain: z.number(), savedMs: z.number() })
      .optional()
      .describe(
        "The replica whose place it takes when it is ready, by how many points its node is better, and by how much sooner a request is answered there, in ms; at least, whatever the measured signals are off by. Absent: none.",
      ),
    wouldChange: z
      .array(z.string())
      .optional()
      .describe(
        "What would give the replica a place, such as `edge-a: uncordon it`: of the nodes that take the fewest changes, five at most. Only of what would be decided now, and only where no node fits.",
      ),
    /** The whole in one sentence. */
    sentence: z.string(),
  })
  .meta({ id: "ExplainRecord" });
export type ExplainRecord = z.infer<typeof explainRecord>;

const wouldChange = z
  .array(z.string())
  .nullable()
  .default(null)
  .describe(
    "What together would admit another replica, a change for each filter that refuses: empty, it fits; null: one of them passes only by itself, or never.",
  );

const nodeVerdict = z.object({
  node: z.string(),
  kind: z.enum(["edge", "cloud"]),
  holds: z.boolean().describe("It has a replica of the deployment, of whatever version."),
  total: z.number().nullable().describe("Its points; null: it is refused."),
  refusal: rejection
    .omit({ node: true })
    .nullable()
    .describe("The first filter that refuses another replica there; null: it fits."),
  wouldChange,
});
export type NodeVerdict = z.infer<typeof nodeVerdict>;

/** `GET /deployments/{d}/explain`: each placement with its record, and what would be decided now. */
export const explainResponse = z.object({
  deployment: z.string(),
  placements: z.array(
    z.object({
      placementId: z.string(),
      node: z.string(),
      state: z.string(),
      decidedAgeMs: z.number(),
      sharing: runSharing
        .nullable()
        .default(null)
        .describe("Whether its requests share runs of the model, and why or why not; null before it is ready."),
      explain: explainRecord,
    }),
  ),
  now: z.array(explainRecord),
  cascade: z
    .object({
      to: z.string(),
      model: z.string().nullable().describe("The large model; null while there is no such deployment."),
      ready: z.object({ edge: z.number().int(), cloud: z.number().int() }).describe("Its replicas that answer."),
      breaker: z
        .enum(["closed", "open", "trying"])
        .describe(
          "Of the caller for whom it is closed most. `open`: the large model failed on that caller's requests and is not asked for a while; as this control plane counted.",
        ),
      leftBytes: z
        .number()
        .nullable()
        .describe("Bytes that this control plane may send to cloud nodes now; null: any number."),
      counted: z
        .object({
          requests: z.number().int(),
          escalated: z.number().int(),
          compared: z.number().int(),
          agreed: z.number().int(),
        })
        .default({ requests: 0, escalated: 0, compared: 0, agreed: 0 })
        .describe(
          "What this control plane has counted: requests, those that the large model answered, those of tensors that both answered, and those of them in which both decide alike.",
        ),
      sentence: z.string(),
    })
    .nullable()
    .default(null)
    .describe("The large model behind it, and when that is asked; null without one."),
  nodes: z
    .array(nodeVerdict)
    .nullable()
    .default(null)
    .describe(
      "Only with `nodes=all`: every node of the fleet against the version that is asked for, as it would be decided now. Of each kind those that fit come first, best first.",
    ),
  /** Only with `?node=`: that node against every filter and score. */
  whyNot: z
    .object({
      node: z.string(),
      rejections: z.array(rejection),
      ranked: rankedNode.nullable(),
      holds: z.boolean(),
      wouldChange,
      sentence: z.string(),
    })
    .nullable(),
});
export type ExplainResponse = z.infer<typeof explainResponse>;
