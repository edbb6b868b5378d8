import type { OwnedBytes } from "../../shared/bytes/owned-bytes.ts";
import type { Cancellation } from "../../shared/flow/cancellation.ts";
import type { PipelineFacts, TensorSpec } from "../../shared/protocol/model-files/manifest.ts";
import type { PlacementLoad } from "../../shared/protocol/messages/load-report.ts";
import type { StreamOfRequest } from "../../shared/protocol/kept-streams.ts";
import type { DesiredStream } from "../../shared/protocol/streams.ts";
import type { PlacementState } from "../../shared/protocol/placement.ts";
import type { EngineModel } from "../../shared/text/engine-model.ts";
import type { ModelKind } from "../../shared/text/model-kind.ts";
import type { HostRequest, HostStream } from "./model-hosts.ts";

/** Without limits: a host is killed after its placement's limit, never because one caller is in a hurry. */
export interface WorkerRequest extends Omit<HostRequest, "timeoutMs" | "leftMs" | "maxRows"> {
  readonly placementId: string;
  /** Time left when the request arrived, in ms. */
  readonly deadlineMs: number;
  readonly edgeOnly: boolean;
  /** The stream that it belongs to. Ignored where the model keeps nothing of streams. */
  readonly stream?: StreamOfRequest;
  readonly priority: number;
  /** It may have ended the host that it shared with others: it has the next one for itself while it runs. */
  readonly isAlone?: boolean;
  /** Cancelled when the caller goes away: queued work is dropped. */
  readonly cancellation: Cancellation;
}

export interface HostParts {
  /** Reading the request, running the model, writing the answer. */
  readonly decodeUs: number;
  readonly runUs: number;
  readonly encodeUs: number;
  /** Requests that the host took up together, this one included. */
  readonly batchSize: number;
}

/** What a response tells about the load of its node and placement. */
export interface QueueFigures {
  readonly nodeInFlight: number;
  readonly placementInFlight: number;
  readonly meanUs: number;
  readonly p95Us: number;
  readonly slots: number;
}

export interface WorkerResponse extends QueueFigures {
  readonly status: number;
  readonly code: string | undefined;
  /** The model did not run: another node may be asked. */
  readonly wasNotExecuted: boolean;
  readonly headerLength: number;
  /** The model was asked to measure its doubt, and is in doubt. */
  readonly isDoubtful?: boolean;
  /** It was asked for an explanation. */
  readonly isExplained?: boolean;
  /** Refused before its run: another node may know its stream. */
  readonly isStreamMissing?: boolean;
  /** What is kept of its stream from now on. For the worker itself. */
  readonly kept?: Uint8Array | undefined;
  /** Its receiver reads a stream to its end or cancels it. */
  readonly body: OwnedBytes | HostStream;
  /** The load figures of a stream's end, when it is called then. With a stream only. */
  readonly figuresAtEnd?: () => QueueFigures;
  readonly queueUs: number;
  /** Of the whole run; 0 when it goes on, then a stream's trailer has it. */
  readonly computeUs: number;
  /** Where `computeUs` went, for who traces the request; undefined when the model host did not answer it. */
  readonly inHost: HostParts | undefined;
}

export interface LocalPlacementView {
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
  /** Which graph of the version it has; undefined: the version has one. */
  readonly variant?: string;
  /** Another placement of its deployment answers while that is ready. */
  readonly isStandby: boolean;
  /** That its deployment declares. */
  readonly streams: readonly DesiredStream[];
  /** What it is asked for; undefined while its host is not up. */
  readonly asks?: ModelKind | undefined;
  /** Name of its artifact. */
  readonly artifact: string;
  /** The shared model host that it runs in, by name; undefined: one of its own, or none yet. */
  readonly host?: string | undefined;
  /** Why it failed, code and words, for a person. */
  readonly detail: string | undefined;
  /** How long it is in its state, in ms. */
  readonly stateAgeMs: number;
  /** Bytes here and bytes in all, while downloading. */
  readonly progress: { readonly done: number; readonly total: number } | undefined;
  /** Of the loaded model; undefined before it is loaded. */
  readonly signature: ModelSignature | undefined;
}

export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Of a model that an engine beside the node executes. */
  readonly engine?: EngineModel | undefined;
  /** Of a pipeline. */
  readonly pipeline?: PipelineFacts | undefined;
}

/** What happened on the node, for a person. */
export interface NodeLogLine {
  readonly level: "info" | "warn" | "error";
  readonly ageMs: number;
  readonly msg: string;
}

/** What a technician at the machine asks. Ages in ms. */
export interface LocalStatus {
  readonly startedAgeMs: number;
  /** Since when there is a session with the control plane, or none, and why the last one ended or failed. */
  readonly link: { readonly ageMs: number; readonly lastFault: string | undefined };
  /** The newest of the log, oldest first, and how many lines wait for the control plane. */
  readonly log: readonly NodeLogLine[];
  readonly unsentLines: number;
}

/** The node as its own `/v2` sees it. Answers from memory, so it works with the control plane away. */
export interface LocalNode {
  readonly name: string;
  readonly kind: "edge" | "cloud";
  /** Of the program, as in package.json. */
  readonly version: string;
  /** For the status page: whether there is a session with the control plane. */
  isConnected(): boolean;
  /** Whether the control plane has said that this node's identity is void. */
  isRemoved(): boolean;
  /** While no operator has approved this node: its public key, which the operator compares. */
  keyToApprove(): string | undefined;
  /** True from the moment it is told to stop. */
  isDraining(): boolean;
  /** What it holds, oldest first. */
  placements(): readonly LocalPlacementView[];
  /** What the manifest on the disk says of an artifact's model; undefined while the manifest is not here. */
  declaredSignature(artifact: string): Promise<ModelSignature | undefined>;
  status(): LocalStatus;
  load(): { readonly rif: number; readonly placements: readonly PlacementLoad[] };
  /** Streams of which something is kept, its bytes, and how many had to leave for others since the start. */
  keptStreams(): { readonly streams: number; readonly bytes: number; readonly evicted: number };
  infer(request: WorkerRequest): Promise<WorkerResponse>;
}

/** Where the figures go that an operator watches. Calls return at once and never throw. */
export interface NodeTelemetry {
  /** The control plane answered a heartbeat after `rttMs`. */
  heartbeatAnswered(rttMs: number): void;
}
