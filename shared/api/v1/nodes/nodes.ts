import { z } from "zod";
import { capabilities } from "../../../protocol/messages/capabilities.ts";
import { streamReport } from "../../../protocol/messages/load-report.ts";
import { NODE_NAME } from "../../../protocol/join-messages.ts";
import { instant, labelMap, labels, managedBy, reasonText, watchableListQuery } from "../common.ts";

/**
 * waiting   joined with a token that needs an approval: may not connect before an operator approves it
 * pending   joined, never connected
 * ready     connected, heartbeats answered both ways: may serve
 * suspect   its control channel closed or fell silent: gets no new request
 * detached  the control-plane replica that held its session died: gets no new request, keeps its placements
 * lost      silent for `lostMs`: its placements may move
 * revoked   its identity is void
 */
export const nodeState = z.enum(["waiting", "pending", "ready", "suspect", "detached", "lost", "revoked"]);
export type NodeState = z.infer<typeof nodeState>;

export const nodeKind = z.enum(["edge", "cloud"]);
export type NodeKind = z.infer<typeof nodeKind>;

/** What becomes of what a drained node still holds at the deadline. */
const drainEnd = z
  .enum(["wait", "remove"])
  .describe("wait: the drain goes on, and an event names what is left. remove: that leaves then, with no successor.");

export const node = z
  .object({
    name: z.string(),
    id: z.string(),
    kind: nodeKind,
    site: z.string(),
    zone: z.string(),
    labels: labelMap,
    state: nodeState,
    cordoned: z.boolean(),
    draining: z.boolean(),
    drain: z
      .object({
        deadline: instant,
        leftMs: z.number().describe("Until the deadline; 0 when it has passed."),
        overdue: z.boolean().describe("The deadline has passed, and the node still holds something."),
        atDeadline: drainEnd,
        waitsFor: z.array(z.string()).describe("A sentence for each placement that the node still holds."),
      })
      .nullable()
      .default(null)
      .describe("Of a drain with a deadline; null: it has none, or the node does not drain."),
    /** When a byte of it last arrived, and how long ago that is, in ms. */
    lastSeen: instant.nullable(),
    lastSeenAgeMs: z.number().nullable(),
    epoch: z.number().int(),
    agentVersion: z.string().nullable(),
    capabilities: capabilities.nullable(),
    /**
     * From its newest load report; null before the first. A node reports each second while requests come, within 5 s when a
     * figure has changed much, and twice a minute otherwise.
     */
    load: z
      .object({
        cpuPct: z.number(),
        memFreeMiB: z.number(),
        diskFreeMiB: z.number(),
        rttMs: z.number(),
        rif: z.number(),
        /** Bytes that arrive there in a ms, measured by its pushes of the last 6 hours; null without a large one. */
        pushBytesPerMs: z.number().nullable().default(null),
        streams: z
          .array(streamReport)
          .default([])
          .describe(
            "Its streams, since its store of them was made: produced = delivered + deduplicated + expired + dropped + waiting.",
          ),
        ageMs: z.number(),
      })
      .nullable(),
    /** While it gets no new replicas because its connection broke again and again; null: it does. */
    quarantine: z.object({ leftMs: z.number(), disconnects: z.number().int() }).nullable().default(null),
    placements: z.array(
      z.object({
        placementId: z.string(),
        deployment: z.string(),
        model: z.string(),
        version: z.number(),
        state: z.string(),
        stateAgeMs: z.number(),
        host: z
          .string()
          .nullable()
          .default(null)
          .describe("The shared model host that it runs in, by name; null: it has a host of its own, or is not ready."),
        variant: z
          .string()
          .nullable()
          .default(null)
          .describe("The graph of the version that the node has; null: the version has one."),
      }),
    ),
    approval: z
      .object({
        publicKey: z
          .string()
          .describe("The key that joined. The node shows it too: compare the two before you approve."),
        from: z.string().describe("The address that it joined from."),
        expiresAt: instant.describe("It is rejected when nobody has approved it by then."),
      })
      .nullable()
      .default(null)
      .describe("While it waits for an operator; null: it may connect."),
    createdAt: instant,
    managedBy: managedBy.optional(),
  })
  .meta({ id: "Node" });
export type Node = z.infer<typeof node>;

/** What of a node makes a change for those who watch it: all but ages and measured figures, which differ each second. */
export const lastingNode = (of: Node): Node => ({
  ...of,
  lastSeen: null,
  lastSeenAgeMs: null,
  load: null,
  quarantine: of.quarantine && { ...of.quarantine, leftMs: 0 },
  drain: of.drain && { ...of.drain, leftMs: 0 },
  placements: of.placements.map((placement) => ({ ...placement, stateAgeMs: 0 })),
});

/** Of the list of nodes. */
export const nodesQuery = watchableListQuery.safeExtend({
  state: nodeState.optional().describe("Only nodes in this state."),
});

/** The body may be left out. */
export const approveNode = z.strictObject({
  publicKey: z
    .string()
    .length(43)
    .optional()
    .describe("Approves the node only if this is its key: between a look and an approval another may take its place."),
});

/** The body may be left out. */
export const drainNode = z
  .strictObject({
    deadlineSeconds: z
      .number()
      .int()
      .min(1)
      .max(7 * 86_400)
      .optional()
      .describe(
        "When the node is to be empty, counted from now. Without it the drain has no deadline, also if it had one.",
      ),
    atDeadline: drainEnd.default("wait"),
  })
  .refine(({ deadlineSeconds, atDeadline }) => deadlineSeconds !== undefined || atDeadline === "wait", {
    message: "needs deadlineSeconds",
    path: ["atDeadline"],
  });
export type DrainRequest = z.output<typeof drainNode>;

/** Names of sites and zones. */
export const placeName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "1–63 lower-case letters, digits and hyphens, beginning with a letter or digit");

/** What is left out stays; `labels` replaces all labels. */
export const patchNode = z.strictObject({
  name: z
    .string()
    .regex(NODE_NAME, "1–63 lower-case letters, digits and hyphens")
    .optional()
    .describe(
      "Another name. Key, placements and history of the node stay; selectors and files that name it do not follow.",
    ),
  labels: labels.optional(),
  site: placeName.optional(),
  zone: placeName.optional(),
});

export const createJoinToken = z.strictObject({
  kind: nodeKind.default("edge"),
  site: placeName.default("default"),
  /** Without it, the site is its own failure domain. */
  zone: placeName.optional(),
  labels: labels.default({}),
  /** Fixes the node's name; otherwise the node proposes one. */
  name: z.string().regex(NODE_NAME, "1–63 lower-case letters, digits and hyphens").optional(),
  ttlSeconds: z
    .number()
    .int()
    .min(30)
    .max(7 * 86_400)
    .default(600),
  /** How many nodes may join with it; one with a name is for that node alone. */
  uses: z.number().int().min(1).max(1_000).default(1),
  needsApproval: z
    .boolean()
    .default(false)
    .describe("A node that joins with it waits until an operator approves it, and gets nothing before."),
});
export type CreateJoinToken = z.input<typeof createJoinToken>;
/** The same with its defaults filled in. */
export type JoinTokenRequest = z.output<typeof createJoinToken>;

/** A token for the machine that takes the place of a node. */
export const replaceNode = z.strictObject({
  why: reasonText.describe("For the event and the audit log."),
  ttlSeconds: createJoinToken.shape.ttlSeconds,
});
export type ReplaceNode = z.output<typeof replaceNode>;

export const joinToken = z
  .object({
    id: z.string(),
    kind: nodeKind,
    site: z.string(),
    zone: z.string(),
    name: z.string().nullable(),
    expiresAt: instant,
    uses: z.number().int().describe("How many nodes may join with it"),
    used: z.number().int().describe("How many have"),
    replaces: z
      .string()
      .nullable()
      .default(null)
      .describe("The id of the node whose place the machine takes that joins with it; null: it makes new nodes."),
    needsApproval: z.boolean().default(false).describe("What joins with it waits for an operator."),
    /** Of the last one that joined. */
    usedAt: instant.nullable(),
    usedBy: z.string().nullable(),
    createdAt: instant,
  })
  .meta({ id: "JoinToken" });
export type JoinTokenInfo = z.infer<typeof joinToken>;

/** The only answer that ever carries the token itself. */
export const createdJoinToken = joinToken.extend({ token: z.string(), joinCommand: z.string() });
