import { z } from "zod";
import { placementState } from "../../../../shared/protocol/placement.ts";

/** What the node's own paths beside `/v2` and `/v1` answer, for `/openapi.json`. A test compares each answer with it. */

const ms = z.number().min(0);
const count = z.number().int().min(0);

const placement = z.strictObject({
  model: z.string(),
  version: z.string().describe("Its number, and the aliases that name it."),
  deployment: z.string(),
  serves: z.boolean().describe("False: its files are here, and it is not meant to serve."),
  state: placementState,
  stateAgeMs: ms,
  detail: z.string().nullable().describe("Why it failed."),
  progress: z.strictObject({ done: count, total: count }).nullable().describe("Bytes, while downloading."),
  host: z.string().nullable().describe("The shared model host that it runs in."),
  load: z
    .strictObject({ inFlight: count, queued: count, done: count, failed: count, p95Ms: ms, rssMiB: z.number() })
    .nullable()
    .describe("Requests since it was loaded, and the memory of its host; null before that."),
});

export const nodeStatus = z.strictObject({
  name: z.string(),
  kind: z.enum(["edge", "cloud"]),
  version: z.string().describe("Of the program."),
  startedAgeMs: ms,
  isDraining: z.boolean(),
  link: z
    .strictObject({
      state: z.enum(["connected", "away", "waiting", "removed"]),
      ageMs: ms,
      rttMs: ms.nullable(),
      lastFault: z.string().nullable(),
    })
    .describe("To the control plane. `waiting`: an operator has to approve the node."),
  placements: z.array(placement),
  waiting: z.strictObject({ requests: count, downloads: count, logLines: count }),
  errors: z
    .array(z.strictObject({ level: z.string(), ageMs: ms, msg: z.string() }))
    .describe("The last warnings and errors of the log, the newest first."),
});
export type NodeStatus = z.infer<typeof nodeStatus>;

export const liveness = z.strictObject({ live: z.literal(true) });

export const readiness = z.strictObject({
  ready: z.boolean(),
  reasons: z.array(z.string()).describe("Why it is of no use now; empty when it is."),
});

export const pushedItem = z.strictObject({
  duplicate: z.boolean().describe("An item with this `Idempotency-Key` was taken already."),
  position: count.optional().describe("Its number among all items of the node."),
});

export const failed = z.strictObject({ error: z.string() });
