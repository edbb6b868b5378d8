import { z } from "zod";
import { withoutControls } from "../base/plain-text.ts";
import { ENGINE_APIS, MAX_ENGINE_MODEL_CHARACTERS } from "../text/engine-model.ts";
import { placementFailure, placementState, runSharing } from "./placement.ts";
import { digest } from "./model-files/manifest.ts";
import { release } from "./model-files/release.ts";
import { desiredStream, MAX_STREAMS_PER_DEPLOYMENT, MAX_STREAMS_REPORTED, streamName, streamState } from "./streams.ts";

/**
 * The catalog of JSON messages on the control channel, and the handshake of all three channels.
 * Receivers ignore fields they do not know (so the objects are not strict); a known field of the wrong type closes 4400.
 */

export const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
export const count = z.number().int().min(0);
const ms = z.number().min(0);
/**
 * For a person to read. Control characters go: they would steer the terminal that shows them. A text that was cut in the
 * middle of a character could not be stored in PostgreSQL.
 */
const words = (max: number) =>
  z
    .string()
    .max(max)
    .overwrite((text) => withoutControls(text).toWellFormed());

const envelope = {
  /** Rises by 1 for each sender and socket. */
  id: count,
  /** The id that this message answers. */
  re: count.optional(),
  /** The session's epoch, from `welcome` on. */
  epoch: count.optional(),
  traceparent: z.string().max(64).optional(),
};

const message = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.object({ type: z.literal(type), ...envelope, ...shape });

/** Engines beside a node, and models of all of them together: `hello` has to fit into one message. */
export const MAX_ENGINES = 8;
export const MAX_ENGINE_MODELS = 64;

/** Keys that a node names; one with more names none. */
export const MAX_SIGNING_KEYS = 64;

/** What a node can do: sent in `hello`, shown by `skerry nodes get`, read by the filters. */
export const capabilities = z.object({
  arch: words(32),
  os: words(32),
  cpus: z.number().int().min(1),
  memMiB: count,
  diskMiB: count,
  runtime: words(64),
  /** What it can execute, as in a bundle. Absent in agents that know only `onnx`. */
  runtimes: z.array(words(32)).max(16).optional(),
  maxOpset: count,
  maxIrVersion: count,
  providers: z.array(words(32)).max(16),
  /** Whether it gives default values to inputs that a request leaves out; absent from older agents. */
  optionalInputs: z.boolean().optional(),
  /** Where its local `/v2` answers, when it has one. */
  localUrl: words(256).optional(),
  /** Whether that address asks callers for a key of the node's own. */
  localKeys: z.boolean().optional(),
  /** Short names of the keys whose releases alone it takes; absent when it takes unsigned versions, and from older agents. */
  signingKeys: z.array(words(32)).max(MAX_SIGNING_KEYS).optional(),
  /** Engines beside it, and the models that each listed when it last answered. Absent from older agents. */
  engines: z
    .array(
      z.object({
        api: z.enum(ENGINE_APIS),
        models: z.array(words(MAX_ENGINE_MODEL_CHARACTERS)).max(MAX_ENGINE_MODELS),
      }),
    )
    .max(MAX_ENGINES)
    .optional(),
});
export type Capabilities = z.infer<typeof capabilities>;

const placementReport = {
  placementId: id,
  generation: count,
  state: placementState,
  code: placementFailure.optional(),
  detail: words(1_000).optional(),
  /** Bytes there and bytes in all, while downloading. */
  done: count.optional(),
  total: count.optional(),
  /** Memory of the model host once loaded, in MiB. */
  rssMiB: count.optional(),
  /** Mean time of the warm runs, in µs: the first guess of the service time. */
  warmUs: count.optional(),
  /** Whether requests share runs of it, and why or why not. These three: of a ready one, absent from older agents. */
  sharing: runSharing.extend({ reason: words(400) }).optional(),
  /** Memory that its model host may use now, in MiB; 0: any amount. */
  limitMiB: count.optional(),
  /** Memory that the trials of its start showed it to need, in MiB; absent where none were made. */
  measuredMiB: count.optional(),
  /** The name of its model host, when that holds other models too or may; `measuredMiB` is what it is counted for there. */
  host: words(32).optional(),
  /** Of a draining one: the streams of which it keeps something, which other placements may go on with (`kept-streams.ts`). */
  keptStreams: count.optional(),
};

/** Loose, limits too: the digest covers fields that a newer control plane may add, so they must not be stripped. */
export const desiredPlacement = z.looseObject({
  placementId: id,
  generation: count,
  deployment: z.string(),
  model: z.string(),
  version: z.string(),
  /** Names that callers may use for the version, sorted; absent: none. A later control plane may send more of them. */
  aliases: z.array(z.string()).optional(),
  artifact: digest,
  /** Which graph of the version the artifact is; absent: the version has one. For people: the artifact says all that a node needs. */
  variant: z.string().max(32).optional(),
  /** What the signer of the version says of it; absent: it is not signed. */
  release: release.optional(),
  want: z.enum(["serve", "hold"]),
  residency: z.enum(["any", "edge-only", "cloud-only"]),
  /**
   * Requests at the node's own address that name no version go to another placement of the deployment while that is ready.
   * Of one of the two versions of a rollout; absent, as from older control planes: the oldest placement answers.
   */
  standby: z.literal(true).optional(),
  /** Streams that the node reads for it; absent: none. */
  streams: z.array(desiredStream).max(MAX_STREAMS_PER_DEPLOYMENT).optional(),
  limits: z.looseObject({
    memMiB: count,
    /** `memMiB` is a guess from the size of its files: the node measures, and may use more than that where it has room. */
    memIsEstimate: z.boolean().optional(),
    /** Rows that may share a run. */
    maxBatch: count,
    queue: count,
    timeoutMs: count,
    /** How long an idle model waits for company; absent, as from older control planes: not at all. */
    maxDelayUs: count.optional(),
    /** The operator declares what the graph may not prove; absent: only the proof counts. */
    rowsAreIndependent: z.boolean().optional(),
    /** `shared`: it may run in one process with other small models; absent, as from older control planes: alone. */
    isolation: z.enum(["shared", "dedicated"]).optional(),
  }),
});
export type DesiredPlacement = z.infer<typeof desiredPlacement>;

const placementLoad = z.object({
  placementId: id,
  /** Requests accepted and not yet answered. */
  rif: count,
  queued: count,
  /** Requests that run at once. */
  slots: count,
  meanUs: count,
  p95Us: count,
  /** Since the node booted, so that a lost report loses nothing. */
  done: count,
  failed: count,
  rssMiB: count,
});
export type PlacementLoad = z.infer<typeof placementLoad>;

/**
 * A stream of the node, since its store was made: produced = delivered + deduplicated + expired + dropped + waiting. A load
 * report has those of the node; it is sent without a request when one of them has changed.
 */
export const streamReport = z.object({
  deployment: words(63),
  name: streamName,
  state: streamState,
  /** Why it waits, the first reason. */
  reason: words(200).optional(),
  produced: count,
  delivered: count,
  deduplicated: count,
  expired: count,
  dropped: count,
  waiting: count,
  waitingBytes: count,
});
export type StreamReport = z.infer<typeof streamReport>;

// ── both sides ────────────────────────────────────────────────────────────────────────────────────────────────────
const ok = message("ok", {});
const error = message("error", { code: words(64), detail: words(500).optional() });
/** The code of an `error` to the node that stays connected while another process with its identity is refused. */
export const IDENTITY_CONFLICT = "IDENTITY_CONFLICT";

// ── node → control plane ──────────────────────────────────────────────────────────────────────────────────────────
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
const load = message("load", {
  cpuPct: z.number().min(0),
  memFreeMiB: count,
  diskFreeMiB: count,
  rttMs: ms,
  rif: count,
  placements: z.array(placementLoad).max(128),
  /** Absent: it runs none, and from older agents. */
  streams: z.array(streamReport).max(MAX_STREAMS_REPORTED).optional(),
});
/** Cumulative: this revision is on the node's disk (fsynced), not yet applied. */
const desiredAck = message("desired.ack", { rev: count, digest });
/** The node cannot follow the deltas: send a snapshot. */
const desiredGet = message("desired.get", { haveRev: count });
export const placementStatus = message("placement.status", placementReport);
export type PlacementReport = Omit<z.infer<typeof placementStatus>, "type" | "id" | "re" | "epoch" | "traceparent">;
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

/** The node's own address asks callers for keys, and it takes the API keys too. `digest`: of those that it has. */
const callerGet = message("caller.get", { digest: z.string().max(80).optional() });

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

// ── control plane → node ──────────────────────────────────────────────────────────────────────────────────────────
/** First message on every socket: sign this nonce. */
const challenge = message("challenge", { nonce: z.string().max(64), cpId: id, cpTime: z.string().max(40) });
export const welcome = message("welcome", {
  heartbeatMs: ms,
  loadMs: ms,
  suspectMs: ms,
  lostMs: ms,
  desiredRev: count,
  replica: id,
  /** Where this control plane is dialled from its own network, for the other channels: a ws:// or wss:// URL. */
  url: z.string().max(512).optional(),
  features: z.array(z.string().max(32)).max(64),
});
export type Welcome = z.infer<typeof welcome>;
const attached = message("attached", {});
const heartbeatAck = message("heartbeat.ack", { desiredRev: count });
export const desiredSnapshot = message("desired.snapshot", {
  rev: count,
  digest,
  cordoned: z.boolean(),
  placements: z.array(desiredPlacement).max(64),
});
const desiredDelta = message("desired.delta", {
  baseRev: count,
  rev: count,
  digest,
  cordoned: z.boolean(),
  set: z.array(desiredPlacement).max(64),
  drop: z.array(id).max(64),
});
export const transferOffer = message("transfer.offer", {
  transferId: id,
  artifact: digest,
  placements: z.array(id).min(1).max(64),
  bytes: count,
  priority: z.number().int(),
  ticket: z.string().max(64),
  ticketMs: ms,
});
export type TransferOffer = z.infer<typeof transferOffer>;
/** This replica is about to stop: come back in `reconnectMs`. */
const goaway = message("goaway", {
  reason: z.enum(["shutdown", "rebalance", "session-age", "overload"]),
  reconnectMs: ms,
});

/** The node's key is old, and it should make another one (`key.rotate`). An older node passes it over. */
const keyDue = message("key.due", {});

/** Keys of one message, so that it fits. */
export const MAX_KEYS_PER_MESSAGE = 200;

const quota = z.number().int().min(1);

const callerKey = z.object({
  /** The part of the key that is no secret. */
  id: z.string().max(64),
  /** SHA-256 of the secret, in hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  role: z.enum(["viewer", "operator", "admin", "application"]),
  /** Of what the node holds the models that it may see; null: all. */
  models: z.array(z.string().max(64)).max(64).nullable(),
  expiresInMs: ms.nullable(),
  /** What the key may have at the node; null and left out: no more than others. */
  limits: z.object({ requestsPerMinute: quota.nullable(), concurrency: quota.nullable() }).optional(),
});
export type CallerLimitsOfKey = NonNullable<z.infer<typeof callerKey>["limits"]>;
export type CallerKey = z.infer<typeof callerKey>;

/**
 * The API keys that the node's own address takes, in place of those before, to a node that asked with `caller.get`: the answer,
 * and again whenever they change. In `pages` messages of the same `digest`; none of them (0) when the node has just these.
 */
const callerKeys = message("caller.keys", {
  digest: z.string().max(80),
  page: count,
  pages: count.max(1_000),
  keys: z.array(callerKey).max(MAX_KEYS_PER_MESSAGE),
});
export type CallerKeysMessage = z.infer<typeof callerKeys>;

export const controlPlaneMessage = z.discriminatedUnion("type", [
  challenge,
  keyDue,
  welcome,
  attached,
  heartbeatAck,
  desiredSnapshot,
  desiredDelta,
  transferOffer,
  goaway,
  callerKeys,
  ok,
  error,
]);
export type ControlPlaneMessage = z.infer<typeof controlPlaneMessage>;

// ── transfer channel, after `attached` ────────────────────────────────────────────────────────────────────────────
/** Which chunks the node lacks (bit i of `chunks`, most significant bit first, base64url) and how far a half-written first one got. */
const need = z.object({
  type: z.literal("need"),
  chunks: z.string().max(400_000),
  partial: z.object({ chunk: count, offset: count }).optional(),
  window: count,
});
/** `durable`: bytes fsynced since `need`. The sender keeps sent − durable ≤ window. */
const credit = z.object({ type: z.literal("credit"), durable: count, window: count });
export const transferMessage = z.discriminatedUnion("type", [need, credit]);
export type TransferMessage = z.infer<typeof transferMessage>;

/** A message before its sender's socket gives it `id` and `epoch`. */
export type Unsent<Message> = Message extends { readonly type: string } ? Omit<Message, "id" | "epoch"> : never;
