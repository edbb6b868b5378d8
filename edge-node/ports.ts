import type { Cancellation } from "../shared/cancellation.ts";
import type { TensorSpec } from "../shared/protocol/manifest.ts";
import type { Manifest } from "../shared/protocol/manifest.ts";
import type {
  Attach,
  Capabilities,
  ControlPlaneMessage,
  DesiredPlacement,
  JoinRequest,
  JoinResponse,
  NodeMessage,
  PlacementLoad,
  TransferMessage,
  Unsent,
} from "../shared/protocol/messages.ts";
import type { DesiredState } from "../shared/protocol/desired.ts";
import type { RequestFrame, ResponseFrame } from "../shared/protocol/inference-frame.ts";
import type { PlacementFailure, PlacementState } from "../shared/protocol/placement.ts";
import type { TransferFrame } from "../shared/protocol/transfer-frame.ts";

/** What the agent needs from outside. Each port belongs to the side that calls it; adapters implement them. */

// ── model hosts ───────────────────────────────────────────────────────────────────────────────────────────────────

export interface HostSpec {
  readonly placementId: string;
  readonly model: string;
  readonly version: string;
  /** Folder with the artifact's verified files; the host reads it and nothing else. */
  readonly directory: string;
  readonly limits: DesiredPlacement["limits"];
}

/** The one exception a host port throws: a placement failure with its code. Recognised by `name`. */
export interface HostFailure extends Error {
  readonly name: "HostFailure";
  readonly code: PlacementFailure;
  /** Of a request: false when it was still waiting for its turn, so that another node may run it. */
  readonly started?: boolean;
}

export interface HostRequest {
  /** An Open Inference Protocol body as the caller sent it. */
  readonly body: Uint8Array;
  /** Bytes of its JSON part; `JSON_BODY` when it has no binary tensors, 0 for raw bytes. */
  readonly headerLength: number;
  /** After this many ms the host is killed: the model hangs. */
  readonly timeoutMs: number;
  /** Rows that may share one run with it, at most 65,535. */
  readonly maxRows: number;
}

export interface HostAnswer {
  /** 200, or 400 (input), 500 (run failed), 501 (extension not served). */
  readonly status: number;
  readonly headerLength: number;
  readonly body: Uint8Array;
  /** Decoding it, the run that answered it, encoding the answer. */
  readonly computeUs: number;
  readonly decodeUs: number;
  readonly encodeUs: number;
  /** Error code from the catalogue, when the status is not 200. */
  readonly code: string | undefined;
  /** Requests that were taken up and answered at once, this one included; their answers come in one go. */
  readonly turn: number;
}

export interface HostExit {
  /** Why it ended, for a person: `killed after 10000 ms without an answer`, `signal SIGSEGV`, `memory limit of 512 MiB`. */
  readonly reason: string;
  readonly code: PlacementFailure;
}

/** One running child process with one loaded model. Owned by whoever started it, who must `stop` it. */
export interface ModelHost {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly loadMs: number;
  /** Mean of the warm runs. */
  readonly warmUs: number;
  /** Why its requests do not share runs; undefined when they do. */
  readonly unbatched: string | undefined;
  /** Resident memory of the process when last looked at (at most every second), in MiB. */
  rssMiB(): number;
  /** The limit that it was started with, 0: none, and what it holds of it, in MiB. */
  memory(): { readonly limitMiB: number; readonly ownMiB: number };
  /** Answers; rejects with `HostFailure` when the process ends first or the time runs out. Requests may overlap. */
  infer(request: HostRequest): Promise<HostAnswer>;
  /** Lets the running requests end for at most `graceMs`, then kills. Resolves when the process is gone. */
  stop(graceMs: number): Promise<void>;
  /** Resolves once, when the process has ended, asked or not. */
  readonly exited: Promise<HostExit>;
}

export interface ModelHosts {
  /**
   * Starts a process, loads, runs the warm run, and resolves when it may serve. Throws `HostFailure`: LOAD_FAILED,
   * LOAD_TIMEOUT, WARMUP_FAILED, WARMUP_TIMEOUT, OUT_OF_MEMORY, HOST_CRASHED; the process is gone by then.
   * `onPhase` tells when loading ended and warming began.
   */
  start(spec: HostSpec, onPhase: (phase: "loading" | "warming") => void, signal: AbortSignal): Promise<ModelHost>;
}

// ── what the inference worker offers to the channel and to the local API ──────────────────────────────────────────

/** Without limits: a host is killed after its placement's limit, never because one caller is in a hurry. */
export interface WorkerRequest extends Omit<HostRequest, "timeoutMs" | "maxRows"> {
  readonly placementId: string;
  /** Time left when the request arrived, in ms. */
  readonly deadlineMs: number;
  readonly edgeOnly: boolean;
  readonly priority: number;
  /** Cancelled when the caller goes away: queued work is dropped. */
  readonly cancellation: Cancellation;
}

export interface HostParts {
  /** Reading the request, running the model, writing the answer. */
  readonly decodeUs: number;
  readonly runUs: number;
  readonly encodeUs: number;
  /** Requests that the host took up together, this one included. */
  readonly turn: number;
}

export interface WorkerAnswer {
  readonly status: number;
  readonly code: string | undefined;
  /** The model did not run: another node may be asked. */
  readonly notStarted: boolean;
  readonly headerLength: number;
  readonly body: Uint8Array;
  readonly queueUs: number;
  readonly computeUs: number;
  /** Where `computeUs` went, for who traces the request; undefined when the model host did not answer it. */
  readonly inHost: HostParts | undefined;
  readonly nodeRif: number;
  readonly placementRif: number;
  readonly meanUs: number;
  readonly p95Us: number;
  readonly slots: number;
}

// ── what the node's own API shows ─────────────────────────────────────────────────────────────────────────────────

export interface LocalPlacement {
  readonly placementId: string;
  readonly deployment: string;
  readonly model: string;
  readonly version: string;
  /** Names that callers may use for the version. */
  readonly aliases: readonly string[];
  /** `hold`: its bytes are here, and it is not meant to serve. */
  readonly want: "serve" | "hold";
  readonly state: PlacementState;
  /** The deadline of a request that names none, in ms; 0: the protocol's default. */
  readonly timeoutMs: number;
  readonly isEdgeOnly: boolean;
  /** Name of its artifact. */
  readonly artifact: string;
  /** Why it failed, code and words, for a person. */
  readonly detail: string | undefined;
  /** Of the loaded model; undefined before it is loaded. */
  readonly signature: ModelSignature | undefined;
}

export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** The node as its own `/v2` sees it. Answers from memory, so it works with the control plane away. */
export interface LocalNode {
  readonly name: string;
  readonly kind: "edge" | "cloud";
  /** Of the program, as in package.json. */
  readonly version: string;
  /** For the status page: whether there is a session with the control plane. */
  isConnected(): boolean;
  /** True from the moment it is told to stop. */
  isDraining(): boolean;
  /** What it holds, oldest first. */
  placements(): readonly LocalPlacement[];
  /** What the manifest on the disk says of an artifact's model; undefined while the manifest is not here. */
  declaredSignature(artifact: string): Promise<ModelSignature | undefined>;
  load(): { readonly rif: number; readonly placements: readonly PlacementLoad[] };
  infer(request: WorkerRequest): Promise<WorkerAnswer>;
}

/** Where the figures go that an operator watches. Calls return at once and never throw. */
export interface NodeTelemetry {
  /** The control plane answered a heartbeat after `rttMs`. */
  heartbeatAnswered(rttMs: number): void;
}

// ── the disk ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Who this node is. The private key never leaves its file (mode 0600). */
export interface NodeIdentity {
  readonly nodeId: string;
  readonly name: string;
  readonly kind: "edge" | "cloud";
  readonly site: string;
  readonly zone: string;
  readonly generation: number;
  readonly cpId: string;
  /** Control planes to dial, `ws://` or `wss://`, best first. */
  readonly urls: readonly string[];
  /** SHA-256 of the key of a certificate in the control plane's chain, base64url; `none`: loopback only. */
  readonly pin: string;
  /** Raw Ed25519 public key, base64url. */
  readonly publicKey: string;
  /** Signs UTF-8 text; base64url. */
  sign(text: string): string;
}

/** A key pair before its node has a name. */
export type NodeKey = Pick<NodeIdentity, "publicKey" | "sign">;

export interface IdentityStore {
  /** Null before the first join. Throws when the files are there but damaged: a new identity would be another node. */
  load(): Promise<NodeIdentity | null>;
  /** The key to join with: made once and durable, so that a join whose answer was lost is repeated with the same key. */
  joinKey(): Promise<NodeKey>;
  /** Keeps what the control plane answered, durably. */
  store(joined: JoinResponse, details: { readonly name: string; readonly pin: string }): Promise<NodeIdentity>;
}

/** The control plane's answer to one attempt to join. */
export type JoinAnswer =
  | { readonly kind: "joined"; readonly response: JoinResponse }
  /** 401, 409, 422: the same request will never be accepted. */
  | { readonly kind: "refused"; readonly code: string; readonly detail: string }
  /** The network, 429, 5xx: worth another attempt. */
  | { readonly kind: "unavailable"; readonly detail: string; readonly retryAfterMs: number };

export interface JoinDoor {
  /** Sends one join request. Never throws. */
  join(request: JoinRequest, signal: AbortSignal): Promise<JoinAnswer>;
}

/** What survives a restart beside the artifacts. */
export interface NodeMemory {
  readonly epoch: number;
  readonly desiredRev: number;
  readonly desired: DesiredState;
  /** No longer wanted, but serving until the deployment's next placement is ready: a restart in between loses nothing. */
  readonly retained: readonly DesiredPlacement[];
  /** Artifacts that served before and are kept for a way back, newest first. */
  readonly previous: readonly string[];
}

export interface MemoryFile {
  /** The last saved memory; null on a new node. A damaged file is set aside and counts as new. */
  load(): Promise<NodeMemory | null>;
  /** Durable when it resolves (temp, fsync, rename, fsync directory). Throws `DISK_FULL` as a `HostFailure`. */
  save(memory: NodeMemory): Promise<void>;
}

/** One artifact while its chunks arrive. One at a time for each artifact. */
export interface Staging {
  /** Chunks whose bytes are here with the right SHA-256, re-hashed from the disk when the staging was opened. */
  readonly present: ReadonlySet<number>;
  /** The first missing chunk's bytes that are here already; their hash is not known yet. */
  readonly partial: { readonly chunk: number; readonly offset: number } | undefined;
  /** Writes payload bytes of a chunk at an offset in that chunk. Not durable before `sync`. */
  write(chunk: number, offset: number, payload: Uint8Array): Promise<void>;
  /** SHA-256 of the whole chunk as it is on disk equals the manifest's. */
  verifyChunk(chunk: number): Promise<boolean>;
  /** fsync of everything written so far. */
  sync(): Promise<void>;
  /** Checks each file's SHA-256, renames the folder into place, durably. False: some file does not match (all chunks of it count as missing). */
  commit(): Promise<boolean>;
  close(): Promise<void>;
}

export interface ArtifactDisk {
  /** Complete, verified artifacts on this disk. */
  complete(): Promise<ReadonlySet<string>>;
  /** The manifest of a complete artifact. */
  manifest(artifact: string): Promise<Manifest>;
  /**
   * Reads a complete artifact's files again and compares their SHA-256. False: a byte went bad; the artifact is a
   * staging again, so that only the damaged chunks travel.
   */
  verify(artifact: string): Promise<boolean>;
  /** Folder of a complete artifact, for the model host. */
  directory(artifact: string): string;
  /**
   * Opens or continues the staging of an artifact. Chunks that complete artifacts on this disk already hold are
   * copied from there, so only the missing ones travel. Throws `HostFailure` NO_SPACE when free space would fall under 5 %.
   */
  stage(artifact: string, manifest: Manifest): Promise<Staging>;
  /** Deletes artifacts and stagings that are not in `keep`. */
  collect(keep: ReadonlySet<string>): Promise<void>;
  freeMiB(): Promise<number>;
}

// ── the control plane ─────────────────────────────────────────────────────────────────────────────────────────────

export interface LinkClosed {
  readonly code: number;
  readonly reason: string;
  /** From `Retry-After` when the upgrade was refused, else 0. */
  readonly retryAfterMs: number;
}

/** What a dialer throws. Recognised by `name`. */
export interface LinkRefused extends Error {
  readonly name: "LinkRefused";
  readonly closed: LinkClosed;
}

/** An authenticated control channel. Envelope ids and the epoch are the link's business. */
export interface ControlLink {
  readonly welcome: Extract<ControlPlaneMessage, { type: "welcome" }>;
  /**
   * Returns the message's id; 0 when it waits for its turn, as a node may say only so much in a second, or when it was a
   * heartbeat or load and the socket is stalled: then it was dropped.
   */
  send(message: Unsent<NodeMessage>): number;
  /** How long a message would have to wait for its turn, in ms: who has a level to tell, tells what is newest then. */
  waitMs(): number;
  close(code: number, reason: string): void;
  readonly closed: Promise<LinkClosed>;
  /** Milliseconds (of the node's clock) at which a byte last arrived. */
  lastByteAt(): number;
}

export interface InferenceLink {
  /** Sends a response of any size in frames; resolves when the socket took it. */
  respond(head: Omit<ResponseFrame, "end" | "bodyLength">): Promise<void>;
  close(code: number, reason: string): void;
  readonly closed: Promise<LinkClosed>;
}

export interface TransferLink {
  send(message: TransferMessage): void;
  close(code: number, reason: string): void;
  readonly closed: Promise<LinkClosed>;
}

/** Dials the control plane; every dial upgrades, answers the challenge and resolves when authenticated, else throws `LinkRefused`. */
export interface Dialer {
  control(
    hello: {
      epoch: number;
      capabilities: Capabilities;
      bootId: string;
      desired: { rev: number; digest: string };
      placements: Extract<NodeMessage, { type: "hello" }>["placements"];
    },
    onMessage: (message: ControlPlaneMessage) => void,
    signal: AbortSignal,
  ): Promise<ControlLink>;
  inference(
    session: { epoch: number; replica: string },
    handlers: { onRequest(frame: RequestFrame): void; onCancel(requestId: number): void },
    signal: AbortSignal,
  ): Promise<InferenceLink>;
  /** Frames are handed over one at a time: the next is read from the socket when the promise has resolved. */
  transfer(
    session: { epoch: number; replica: string; ticket: NonNullable<Attach["ticket"]> },
    onFrame: (frame: TransferFrame) => Promise<void>,
    signal: AbortSignal,
  ): Promise<TransferLink>;
}

// ── the machine ───────────────────────────────────────────────────────────────────────────────────────────────────

export interface SystemProbe {
  capabilities(): Promise<Capabilities>;
  /** CPU use of the machine since the last call, in percent of all cores. */
  cpuPct(): number;
  memFreeMiB(): number;
}
