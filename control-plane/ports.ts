import type { DeploymentSpec } from "../shared/api/deployments.ts";
import type { SkerryEvent } from "../shared/api/events.ts";
import type { ExplainRecord } from "../shared/api/explain.ts";
import type { ApiKeyInfo, Role } from "../shared/api/keys.ts";
import type { Model, ModelVersion } from "../shared/api/models.ts";
import type { JoinTokenInfo, NodeKind, NodeState } from "../shared/api/nodes.ts";
import type { NodeId, PlacementId } from "../shared/ids.ts";
import type { Manifest, TensorSpec } from "../shared/protocol/manifest.ts";
import type { CloseCode } from "../shared/protocol/close-codes.ts";
import type { DataFrame, ResponseFrame } from "../shared/protocol/inference-frame.ts";
import type {
  Capabilities,
  ControlPlaneMessage,
  Hello,
  NodeMessage,
  PlacementReport,
  TransferMessage,
  Unsent,
} from "../shared/protocol/messages.ts";
import type { PlacementState } from "../shared/protocol/placement.ts";
import type { FleetRows } from "./core/fleet/types.ts";

/**
 * What the app layer needs from outside. Each port belongs to the side that calls it; adapters implement them.
 *
 * All database ports: a method either commits everything it names (row, events, audit row, doorbell) or nothing.
 * They throw `DATABASE_UNAVAILABLE` within 2 s when Postgres does not answer, and `SkerryError`s with the codes named here.
 */

/** Something that happened, to be kept in the same transaction as its cause. */
export interface NewEvent {
  readonly type: "Normal" | "Warning";
  /** CamelCase, past tense: `PlacementReady`. */
  readonly reason: string;
  /** What it happened to: `node/edge-a`. */
  readonly object: string;
  readonly message: string;
}

/** Who does something through the API: becomes the audit row. */
export interface Actor {
  readonly name: string;
  readonly role: Role;
  readonly keyId: string | null;
  readonly models: readonly string[];
  readonly address: string;
  readonly requestId: string;
}

// ── leadership and the plan ───────────────────────────────────────────────────────────────────────────────────────

/** Proof of leadership: compared inside every transaction that carries out a plan. */
export interface Fence {
  readonly holder: string;
  readonly token: bigint;
}

export interface LeadershipStore {
  /**
   * Takes the lease when it is free or expired, or renews it when `holder` has it. The token rises with every new
   * holder. Returns the fence, or null while somebody else holds the lease. Lease times are the database's.
   */
  acquire(holder: string, leaseMs: number): Promise<Fence | null>;
  /** Gives the lease up early, so that the next leader need not wait. No effect without the lease. */
  release(fence: Fence): Promise<void>;
}

export interface NewPlacement {
  readonly id: PlacementId;
  readonly deployment: string;
  /** The deployment's generation that was planned for: another one makes the write `stale`. */
  readonly deploymentGeneration: number;
  readonly model: string;
  readonly version: number;
  readonly nodeId: NodeId;
  readonly explain: ExplainRecord;
}

/** `fenced`: leadership was lost, stop leading. `stale`: the row moved on, plan again. Neither changed anything. */
export type PlanOutcome = "committed" | "fenced" | "stale";

/** Carries out plan steps. Every method raises the node's `desired_rev` in its transaction and rings the doorbell. */
export interface PlanStore {
  /** `stale` when the node is cordoned, draining or revoked by now, or holds this version for this deployment. */
  createPlacement(fence: Fence, placement: NewPlacement, event: NewEvent): Promise<PlanOutcome>;
  /** Starts a failed placement anew: generation + 1, state `offered`. `stale` unless it is at `generation`. */
  retryPlacement(
    fence: Fence,
    placement: { id: PlacementId; generation: number },
    event: NewEvent,
  ): Promise<PlanOutcome>;
  /** Sets `wanted` to `gone`, generation + 1. `stale` unless it is at `generation`. */
  retirePlacement(
    fence: Fence,
    placement: { id: PlacementId; generation: number },
    event: NewEvent,
  ): Promise<PlanOutcome>;
  /** Deletes the row of a placement that its node has let go of. */
  forgetPlacement(
    fence: Fence,
    placement: { id: PlacementId; generation: number },
    event: NewEvent,
  ): Promise<PlanOutcome>;
}

export interface FleetStore {
  /** One consistent snapshot; instants are converted to the caller's monotonic clock, whose time is `now`. */
  load(now: number): Promise<FleetRows>;
}

/** Rings after a committed change by anybody, and after every reconnect. A lost ring is healed by the caller's poll. */
export interface Doorbell {
  listen(onRing: () => void): Promise<void>;
  stop(): Promise<void>;
}

// ── nodes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface JoinAttempt {
  readonly tokenId: string;
  /** Hex SHA-256 of the secret. */
  readonly secretHash: string;
  readonly name: string;
  readonly kind: NodeKind;
  readonly publicKey: string;
  readonly newNodeId: NodeId;
}

export interface JoinedNode {
  readonly nodeId: NodeId;
  readonly generation: number;
  readonly kind: NodeKind;
  readonly site: string;
  readonly zone: string;
}

export interface SessionOpening {
  readonly nodeId: NodeId;
  readonly generation: number;
  /** The highest epoch that the node has seen, which may be above ours after a restore. */
  readonly lastEpoch: number;
  /** The desired revision that the node has on disk. */
  readonly desiredRev: number;
  readonly replica: string;
  readonly bootId: string;
  readonly agentVersion: string;
  readonly capabilities: Capabilities;
}

export interface SessionStore {
  /**
   * Uses up the token and makes the node, or returns the same node when the same token and key come again within the
   * token's life. Null: token unknown, wrong, expired, used by another key, or for another name or kind. Throws `NAME_TAKEN`.
   */
  join(attempt: JoinAttempt): Promise<JoinedNode | null>;
  /** What is needed to check a node's signature; null when unknown. */
  identity(
    nodeId: string,
  ): Promise<{ name: string; kind: NodeKind; publicKey: string; generation: number; revoked: boolean } | null>;
  /**
   * Epoch = max(stored, lastEpoch) + 1. When the node's revision is ahead of the row, the row continues at the node's
   * + 1 and `regressed` is true. Null when the node is unknown, revoked or of another generation.
   */
  open(opening: SessionOpening): Promise<{ epoch: number; desiredRev: number; regressed: boolean } | null>;
  /** Marks the session closed. False when a newer one has taken over. */
  close(nodeId: NodeId, epoch: number): Promise<boolean>;
  /** Writes `last_seen_at` of many sessions at once; those with another epoch are passed over. */
  touch(sessions: readonly { nodeId: NodeId; epoch: number; ageMs: number }[]): Promise<void>;
  /**
   * Writes what a node reports of its placements. A report with another generation, or of a placement that is not this
   * node's, changes nothing. False when the session's epoch is not the newest: the caller closes the socket 4409.
   */
  report(
    session: { nodeId: NodeId; epoch: number },
    reports: readonly PlacementReport[],
    events: readonly NewEvent[],
  ): Promise<boolean>;
}

export interface NodeAdminStore {
  /** Changes flags or labels, raises `desired_rev` when a flag changes. Throws `NOT_FOUND`, `STALE_ETAG`. */
  update(
    name: string,
    change: { cordoned?: boolean; draining?: boolean; labels?: Record<string, string>; site?: string; zone?: string },
    context: { actor: Actor; ifMatch: number | undefined; event: NewEvent | undefined },
  ): Promise<void>;
  /** Makes the identity void: `revoked`, generation + 1; its placements are `gone`. Throws `NOT_FOUND`. */
  revoke(name: string, context: { actor: Actor; event: NewEvent }): Promise<void>;
  /** The row's version, for ETags. Null when unknown. */
  rowVersion(name: string): Promise<number | null>;
  createToken(
    token: {
      id: string;
      secretHash: string;
      kind: NodeKind;
      site: string;
      zone: string;
      name: string | undefined;
      labels: Record<string, string>;
      ttlSeconds: number;
    },
    actor: Actor,
  ): Promise<JoinTokenInfo>;
  listTokens(): Promise<readonly JoinTokenInfo[]>;
  /** Throws `NOT_FOUND`. */
  deleteToken(id: string, actor: Actor): Promise<void>;
}

// ── catalogue ─────────────────────────────────────────────────────────────────────────────────────────────────────

export interface UploadRow {
  readonly id: string;
  readonly model: string;
  readonly version: number;
  readonly bytes: number;
  /** Hex SHA-256 that was declared. */
  readonly sha256: string;
  readonly state: ModelVersion["state"];
}

/** What the check of an uploaded file found. */
export interface CheckedModel {
  readonly manifest: Manifest;
  readonly artifact: string;
  readonly opset: number;
  readonly irVersion: number;
  readonly producer: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

export interface CatalogStore {
  /** Throws `CONFLICT` when the name exists. */
  createModel(model: { name: string; labels: Record<string, string> }, actor: Actor): Promise<Model>;
  listModels(): Promise<readonly Model[]>;
  getModel(name: string): Promise<Model | null>;
  /** Throws `NOT_FOUND`. */
  patchModel(name: string, labels: Record<string, string>, actor: Actor): Promise<Model>;
  /** Throws `NOT_FOUND`, and `CONFLICT` naming the deployments that still use it. Deletes versions, aliases, unused artifacts. */
  deleteModel(name: string, actor: Actor): Promise<void>;
  /** Assigns the next number. Throws `NOT_FOUND`. */
  declareVersion(
    version: {
      model: string;
      bytes: number;
      sha256: string;
      labels: Record<string, string>;
      metrics: Record<string, number>;
      uploadId: string;
    },
    actor: Actor,
  ): Promise<ModelVersion>;
  listVersions(model: string): Promise<readonly ModelVersion[]>;
  getVersion(model: string, version: number): Promise<ModelVersion | null>;
  upload(id: string): Promise<UploadRow | null>;
  /** uploading → checking. False unless it was uploading. */
  beginCheck(uploadId: string): Promise<boolean>;
  /** checking → ready, with artifact and chunks; forgets the upload. */
  accept(uploadId: string, checked: CheckedModel, event: NewEvent): Promise<void>;
  /** uploading or checking → rejected, with the reason; forgets the upload. */
  reject(uploadId: string, reason: string, event: NewEvent): Promise<void>;
  /** Uploads whose check was interrupted by a restart, and uploads past their life. */
  unfinishedUploads(): Promise<readonly { id: string; state: ModelVersion["state"]; expired: boolean }[]>;
  /** Creates or moves; `ifMatch` is the version it must stand at now (null: must not exist). Throws `NOT_FOUND`, `STALE_ETAG`, `CONFLICT` (version not ready). */
  moveAlias(
    move: { model: string; alias: string; version: number; ifMatch: number | null | undefined },
    context: { actor: Actor; event: NewEvent },
  ): Promise<void>;
  /** The manifest's exact bytes; null when unknown. */
  manifest(artifact: string): Promise<string | null>;
}

export interface DeploymentStore {
  /**
   * Creates or replaces. An equal spec changes nothing and keeps the generation. `ifMatch`: the row version it must
   * have (undefined: any). Throws `STALE_ETAG`, and `NOT_FOUND` when the model does not exist.
   */
  put(
    spec: DeploymentSpec,
    context: { actor: Actor; ifMatch: number | undefined },
  ): Promise<{ created: boolean; changed: boolean; generation: number; rowVersion: number }>;
  /** Its placements become `gone`. Throws `NOT_FOUND`, `STALE_ETAG`. */
  delete(name: string, context: { actor: Actor; ifMatch: number | undefined }): Promise<void>;
  /** The row's version, for ETags. Null when unknown. */
  rowVersion(name: string): Promise<number | null>;
}

// ── people and what happened ──────────────────────────────────────────────────────────────────────────────────────

export interface StoredKey {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly models: readonly string[];
  /** Hex SHA-256 of the secret. */
  readonly secretHash: string;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

export interface KeyStore {
  find(id: string): Promise<StoredKey | null>;
  list(): Promise<readonly ApiKeyInfo[]>;
  create(
    key: {
      id: string;
      name: string;
      secretHash: string;
      role: Role;
      models: readonly string[];
      expiresAt: number | null;
    },
    actor: Actor,
  ): Promise<ApiKeyInfo>;
  /** Throws `NOT_FOUND`. */
  revoke(id: string, actor: Actor): Promise<void>;
  /** Best effort; at most once a minute for each key. */
  touch(id: string): Promise<void>;
  /** True while no key exists: then the first admin key may be made. */
  isEmpty(): Promise<boolean>;
}

export interface EventStore {
  append(events: readonly NewEvent[]): Promise<void>;
  /**
   * Events after `cursor` in commit order (null: from the beginning), oldest first; or, with `newest`, the last `limit`.
   * An event's `id` is the cursor that continues after it. Events of transactions that may still be overtaken are held back.
   */
  read(query: {
    after: string | null;
    limit: number;
    newest: boolean;
    object: string | undefined;
  }): Promise<readonly SkerryEvent[]>;
}

export interface AuditStore {
  /** Newest first. */
  list(query: { before: string | null; limit: number }): Promise<readonly AuditRow[]>;
}

export interface AuditRow {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly requestId: string;
  readonly detail: Record<string, unknown>;
}

export interface IdempotencyStore {
  /**
   * Claims the key. `new`: do the work, then `finish`. `done`: answer this again. `mismatch`: same key, other request.
   * `busy`: the first one is still under way.
   */
  begin(
    keyId: string,
    key: string,
    requestHash: string,
  ): Promise<
    { kind: "new" } | { kind: "done"; status: number; body: unknown } | { kind: "mismatch" } | { kind: "busy" }
  >;
  finish(keyId: string, key: string, reply: { status: number; body: unknown }): Promise<void>;
  /** The work failed: the key may be used again. */
  abandon(keyId: string, key: string): Promise<void>;
}

// ── artifacts ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** One stored file, open for reading. */
export interface ArtifactFile {
  /** Fills `into` from `offset`. Throws when the file is shorter. */
  read(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Bytes by digest, on disk or in a bucket. */
export interface ArtifactStore {
  /** Bytes of an upload that are durable. 0 when it has none. */
  uploadOffset(uploadId: string): Promise<number>;
  /**
   * Appends at `offset` and returns the new durable offset; what arrived before a broken stream stays. Throws
   * `UPLOAD_OFFSET` when `offset` is not the current one, `TOO_LARGE` when more than `maxBytes` would stand there,
   * `STORAGE_FULL` when the disk has too little room.
   */
  append(upload: { id: string; offset: number; maxBytes: number }, bytes: AsyncIterable<Uint8Array>): Promise<number>;
  /** Where the upload's bytes lie, for the check process. */
  uploadPath(uploadId: string): string;
  /** Gives a checked upload's bytes their digest as name, durably. The upload stays until it is discarded. Idempotent. */
  adopt(uploadId: string, sha256: string): Promise<void>;
  /** No effect when there is none. */
  discardUpload(uploadId: string): Promise<void>;
  /** Every upload that has bytes here, whether or not anybody still knows it. */
  uploadIds(): Promise<readonly string[]>;
  /** Deletes a file that no version refers to. No effect when there is none; whoever reads it now reads on. */
  remove(sha256: string): Promise<void>;
  /** Throws `NOT_FOUND`, as does `stream` with its first piece. */
  open(sha256: string): Promise<ArtifactFile>;
  stream(sha256: string): AsyncIterable<Uint8Array>;
}

/** Looks at an uploaded file in a process of its own: digest, chunks, signature. */
export interface ModelCheck {
  /**
   * `rejected` carries a sentence for the uploader. Throws only when the check itself could not run, or with the
   * signal's reason when it was aborted; no process is left then.
   */
  check(
    file: { path: string; model: string; version: number; bytes: number; sha256: string },
    signal?: AbortSignal,
  ): Promise<
    | { kind: "accepted"; checked: CheckedModel }
    | { kind: "rejected"; code: "DIGEST_MISMATCH" | "INVALID_MODEL"; reason: string }
  >;
}

// ── sockets of nodes ──────────────────────────────────────────────────────────────────────────────────────────────

/** An authenticated control channel. Envelope ids and the epoch are the link's business. */
export interface ControlLink {
  /** Returns the id that the message got. */
  send(message: Unsent<ControlPlaneMessage>): number;
  /** Closes politely; terminates when the peer does not answer. */
  close(code: CloseCode, reason: string): void;
  /** When a byte last arrived, in ms of the replica's clock. */
  lastByteAt(): number;
}

export interface InferenceLink {
  /** Messages of one request, in order. False when the socket is closed or too much waits for it: nothing was sent. */
  send(messages: readonly Uint8Array[]): boolean;
  close(code: CloseCode, reason: string): void;
  lastByteAt(): number;
}

export interface TransferLink {
  /** Resolves when the socket has room for more; rejects when it closed. */
  sendFrame(header: Uint8Array, payload: Uint8Array): Promise<void>;
  close(code: CloseCode, reason: string): void;
}

/** What the websocket adapter calls. Every call about a session names the socket's own session, never a node id from a message. */
export interface NodeDoor {
  /** What is needed to check a signature; null when the node is unknown. */
  identity(nodeId: string): Promise<NodeIdentityRow | null>;
  /** A control channel whose proof held. Throws to refuse. */
  openControl(hello: Hello, nodeId: NodeId, connect: (epoch: number) => ControlLink): Promise<ControlSession>;
  /** An inference channel whose proof held; null when `epoch` is not the present session's. */
  openInference(nodeId: NodeId, epoch: number, link: InferenceLink): InferenceSession | null;
  /** A transfer channel whose proof held; null when the ticket is unknown, used, expired or another node's. */
  openTransfer(nodeId: NodeId, epoch: number, ticket: string): ((link: TransferLink) => TransferSession) | null;
}

export interface NodeIdentityRow {
  readonly name: string;
  readonly kind: NodeKind;
  readonly publicKey: string;
  readonly generation: number;
  readonly revoked: boolean;
}

export interface ControlSession {
  readonly epoch: number;
  readonly welcome: Unsent<Extract<ControlPlaneMessage, { type: "welcome" }>>;
  /** After `welcome` was sent, with its id. */
  started(welcomeId: number): void;
  onMessage(message: NodeMessage): void;
  onClosed(): void;
}

export interface InferenceSession {
  onFrame(frame: ResponseFrame | DataFrame): void;
  onClosed(): void;
}

export interface TransferSession {
  onMessage(message: TransferMessage): void;
  onClosed(): void;
}

/** Ed25519 and unguessable bytes. */
export interface Keys {
  /** True when `signature` (base64url) over `text` is by the raw public key (base64url). Never throws. */
  verify(publicKey: string, text: string, signature: string): boolean;
  /** 32 random bytes, base64url. */
  secret(): string;
}

// ── metrics ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * What is counted. Labels are bounded by whoever calls: a route is the pattern of the table, never a URL, and a model
 * is one that exists. Never throws.
 */
export interface Metrics {
  /** One answered HTTP request. `seconds`: from its arrival until its answer began. */
  requestAnswered(request: {
    readonly route: string;
    readonly method: string;
    readonly status: number;
    readonly seconds: number;
  }): void;
  inferenceAnswered(inference: MeasuredInference): void;
  /** Bytes of artifacts that were sent to nodes. */
  bytesPushed(bytes: number): void;
}

export interface MeasuredInference {
  /** Undefined when there is no such model, or the caller may not ask for it. */
  readonly model: string | undefined;
  /** `digits:3`; undefined when no version was chosen. */
  readonly modelVersion: string | undefined;
  /** Undefined when no node was asked. */
  readonly node: string | undefined;
  /** Why that node, as in `Skerry-Route`. */
  readonly reason: string | undefined;
  /** `OK` or a code of the catalogue. */
  readonly code: string;
  /** From the request's arrival until its answer. */
  readonly seconds: number;
  /** In the node's queue, and in the model. */
  readonly queueSeconds: number | undefined;
  readonly computeSeconds: number | undefined;
}

/** Read on every scrape. */
export interface FleetCounts {
  readonly nodes: ReadonlyMap<NodeState, number>;
  readonly placements: ReadonlyMap<PlacementState, number>;
  readonly deployments: number;
  /** Requests that are at nodes now. */
  readonly inFlight: number;
}
