import { z } from "zod";
import { digest } from "../model-files/manifest.ts";
import { placementFailure } from "../placement.ts";
import { callerGet } from "./caller-keys.ts";
import { capabilities } from "./capabilities.ts";
import { count, error, id, message, ms, ok, words } from "./envelope.ts";
import { load } from "./load-report.ts";
import { placementReport, placementStatus } from "./placement-report.ts";

/** Answers the challenge on the control channel: who I am, what I can do, what I hold. */
export const hello = message("hello", {
  nodeId: id,
  generation: count,
  signature: z.string().max(128),
  bootId: id,
  agentVersion: words(32),
  features: z.array(z.string().max(32)).max(64),
  clock: z.string().max(40),
  capabilities,
  lastEpoch: count,
  desired: z.object({ rev: count, digest }),
  placements: z.array(z.object(placementReport)).max(128),
});
export type Hello = z.infer<typeof hello>;

/** Answers the challenge on the inference and transfer channels. */
export const attach = message("attach", {
  nodeId: id,
  generation: count,
  signature: z.string().max(128),
  ticket: z.string().max(64).optional(),
});
export type Attach = z.infer<typeof attach>;

/** What it can do has changed within the session. Sent where both sides have the feature `changed-capabilities`. */
const changedCapabilities = message("capabilities", { capabilities });

const heartbeat = message("heartbeat", {
  /** Id of the newest `heartbeat.ack` or `welcome` that arrived: proof that the other direction works. */
  acked: count,
  desiredRev: count,
  digest,
});
/** Cumulative: this revision is on the node's disk (fsynced), not yet applied. */
const desiredAck = message("desired.ack", { rev: count, digest });
/** The node cannot follow the deltas: send a snapshot. */
const desiredGet = message("desired.get", { haveRev: count });
const transferAccept = message("transfer.accept", { transferId: id });
const transferReject = message("transfer.reject", {
  transferId: id,
  code: z.enum(["NO_SPACE", "INCOMPATIBLE", "BUSY", "STALE"]),
  retryMs: ms,
});
/** The transfer's socket ended early: offer it again after `retryMs`, what is here stays. Meanwhile others may come. */
const transferResume = message("transfer.resume", { transferId: id, retryMs: ms });
const transferDone = message("transfer.done", { transferId: id, received: count, reused: count });
const transferFailed = message("transfer.failed", {
  transferId: id,
  code: placementFailure,
  detail: words(500),
});

/** Something that happened on the node and that its operator should read: a crash, a restart, a full disk. */
const nodeLog = message("log", {
  seq: count,
  dropped: count,
  lines: z
    .array(
      z.object({
        level: z.enum(["info", "warn", "error"]),
        ageMs: ms,
        msg: words(500),
        /** Of the event that it becomes, when it has one of its own. */
        reason: z
          .string()
          .regex(/^[A-Z][A-Za-z]{1,39}$/)
          .optional(),
      }),
    )
    .max(32),
});

/** The node has made another key: signed by the one that it has, and by the new one. Answered by `ok`, or `error`. */
const keyRotate = message("key.rotate", {
  publicKey: z.string().length(43),
  sigOld: z.string().length(86),
  sigNew: z.string().length(86),
});
export type KeyRotate = z.infer<typeof keyRotate>;

/** Every message that a node sends on the control channel, and its answers to the challenge of the other two. */
export const nodeMessage = z.discriminatedUnion("type", [
  hello,
  callerGet,
  keyRotate,
  changedCapabilities,
  heartbeat,
  load,
  desiredAck,
  desiredGet,
  placementStatus,
  transferAccept,
  transferReject,
  transferResume,
  transferDone,
  transferFailed,
  nodeLog,
  ok,
  error,
]);
export type NodeMessage = z.infer<typeof nodeMessage>;
