import { z } from "zod";
import { placementState } from "../../../protocol/placement.ts";

const ms = z.number().min(0);
const count = z.number().int().min(0);

/** A version that the node holds. */
const nodePlacement = z.object({
  model: z.string(),
  version: z.string().describe("Its number, and the aliases that name it."),
  deployment: z.string(),
  serves: z.boolean().describe("False: its files are here, and it is not meant to serve."),
  state: placementState,
  stateAgeMs: ms,
  detail: z.string().nullable().describe("Why it failed."),
  progress: z.object({ done: count, total: count }).nullable().describe("Bytes, while downloading."),
  host: z.string().nullable().describe("The shared model host that it runs in."),
  load: z
    .object({ inFlight: count, queued: count, done: count, failed: count, p95Ms: ms, rssMiB: z.number() })
    .nullable()
    .describe("Requests since it was loaded, and the memory of its host; null before that."),
});

export type NodePlacement = z.infer<typeof nodePlacement>;

/** What a node says of itself at `GET /status.json` of its own address. */
export const nodeStatus = z.object({
  name: z.string(),
  kind: z.enum(["edge", "cloud"]),
  version: z.string().describe("Of the program."),
  startedAgeMs: ms,
  isDraining: z.boolean(),
  link: z
    .object({
      state: z.enum(["connected", "away", "waiting", "removed"]),
      ageMs: ms,
      rttMs: ms.nullable(),
      lastFault: z.string().nullable(),
    })
    .describe("To the control plane. `waiting`: an operator has to approve the node."),
  placements: z.array(nodePlacement),
  waiting: z.object({
    requests: count,
    downloads: count,
    logLines: count,
    streamItems: count
      .optional()
      .describe("Items of streams and their results, on the node's disk. A node of an earlier version leaves it out."),
  }),
  errors: z
    .array(z.object({ level: z.string(), ageMs: ms, msg: z.string() }))
    .describe("The last warnings and errors of the log, the newest first."),
});
export type NodeStatus = z.infer<typeof nodeStatus>;
