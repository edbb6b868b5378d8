import type { OwnedBytes } from "../../shared/bytes/owned-bytes.ts";
import type { Cancellation } from "../../shared/flow/cancellation.ts";
import type { ResponseStream } from "../../shared/inference/response-stream.ts";
import type { RunSize } from "../../shared/inference/run-size.ts";
import type { AnswerDoubt } from "../../shared/protocol/answer-doubt.ts";
import type { InputDefault, TensorSpec } from "../../shared/protocol/model-files/manifest.ts";
import type { DesiredPlacement } from "../../shared/protocol/messages/desired-placement.ts";
import type { PlacementFailure, RunSharing } from "../../shared/protocol/placement.ts";
import type { Usage } from "../../shared/text/usage.ts";
import type { EncoderModel } from "../../shared/text/encoder-model.ts";
import type { EngineModel } from "../../shared/text/engine-model.ts";
import type { ModelKind } from "../../shared/text/model-kind.ts";
import type { TextModel } from "../../shared/text/text-model.ts";

export interface ModelOfEngine {
  readonly model: EngineModel;
  /** Of a model of tensors. */
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

export interface HostSpec {
  readonly placementId: string;
  readonly model: string;
  readonly version: string;
  /** Folder with the artifact's verified files; the host reads it and nothing else. */
  readonly directory: string;
  readonly limits: DesiredPlacement["limits"];
  /** It may run in one process with other small models. */
  readonly mayShareHost?: boolean;
  /** `limits.memMiB` is a guess: it may use so much in its start, in MiB, and afterwards what its trials needed. */
  readonly startRoomMiB?: number;
  /** Path, in the folder, of a file with inputs and outputs to try the model with. */
  readonly samples?: string;
  /** Values of inputs that requests may leave out. */
  readonly defaults?: readonly InputDefault[];
  /** Sizes of runs that are refused, as they needed too much memory under the same limit. */
  readonly tooLarge?: readonly RunSize[];
  /** Whether its requests may share a run, and why or why not; absent when trials of the host decide alone. */
  readonly mayShare?: RunSharing;
  /** Of a model that writes text: what its manifest says, and the bytes of its files. */
  readonly text?: { readonly model: TextModel; readonly fileBytes: number };
  /** Of a model that makes embeddings: what its manifest says. */
  readonly encoder?: EncoderModel;
  /** Of a model that an engine beside the node executes: what its manifest says. */
  readonly engine?: ModelOfEngine;
  /** The manifest beside its files declares a pipeline. */
  readonly isPipeline?: boolean;
  /** A shared run gave another answer than the request alone: from then on the host shares none. */
  readonly onSharingStopped?: (reason: string) => void;
  /** What it takes of its host's memory is counted otherwise than before. */
  readonly onMeasured?: () => void;
  /** Something that an operator should know of a model that serves: the reason of an event, and a sentence. */
  readonly onWarning?: (reason: string, message: string) => void;
}

/** The one exception a host port throws: a placement failure with its code. Recognised by `name`. */
export interface HostFailure extends Error {
  readonly name: "HostFailure";
  readonly code: PlacementFailure;
  /** Of a request: false when it was still waiting for its turn, so that another node may run it. */
  readonly started?: boolean;
  /** Of a request: the fault that is its own, if it was this one that ended the process. Undefined: the model's fault. */
  readonly blames?: RequestFault | undefined;
  /** Of a request: how many may have ended the process. Of one alone it is known. */
  readonly suspects?: number;
  /** Of a request: its process held other models too, so the model's next one may answer it. */
  readonly wasShared?: boolean;
}

/** What one request can do to a model host. */
export type RequestFault = "OUT_OF_MEMORY" | "RUN_TOO_LONG";

export interface HostRequest {
  /** An Open Inference Protocol body as the caller sent it. */
  readonly body: Uint8Array;
  /** Bytes of its JSON part; `JSON_BODY` when it has no binary tensors, 0 for raw bytes. */
  readonly headerLength: number;
  /** After this many ms the host is killed: the model hangs. */
  readonly timeoutMs: number;
  /** It asks for an explanation by its path; one may ask for it by a parameter of its body, too. */
  readonly explain?: boolean;
  /** When its answer is in doubt; undefined: that is not measured. */
  readonly doubt?: AnswerDoubt;
  /** What is kept of its stream, without bytes when that begins; undefined: it has none. Only where the host `keepsState`. */
  readonly kept?: Uint8Array;
  /** Time until its deadline, in ms: an explanation, which is many runs, ends by then. Default: `timeoutMs`. */
  readonly leftMs?: number;
  /** Rows that may share one run with it, at most 65,535. */
  readonly maxRows: number;
  /**
   * Cancelled when nobody wants the answer: the host drops it unless it runs already, and ends an answer in pieces before
   * the next one. Answered `CANCELLED` then.
   */
  readonly cancellation?: Cancellation;
}

/** What the whole run took, known at the end of an answer in pieces. */
export interface HostTrailer extends Pick<HostResponse, "computeUs" | "decodeUs" | "encodeUs"> {
  /** Of an answer in text: the tokens that went in and came out. */
  readonly usage?: Usage;
}
/** An answer that comes in pieces. Its reader reads it to its end or cancels it: until then the host holds it. */
export type HostStream = ResponseStream<HostTrailer>;

export interface HostResponse {
  /** 200, or 400 (input), 429 (no room for a large answer), 500 (run failed), 501 (extension not served). */
  readonly status: number;
  readonly headerLength: number;
  /** A stream when it is large, then the run is over; or when it has no length yet, then the run goes on until its end. */
  readonly body: OwnedBytes | HostStream;
  /** Decoding it, the run that answered it, encoding the answer. */
  readonly computeUs: number;
  readonly decodeUs: number;
  readonly encodeUs: number;
  /** Error code from the catalog, when the status is not 200. */
  readonly code: string | undefined;
  /** It was refused before its run: the host is as it was. */
  readonly isBeforeRun?: boolean;
  /** The model was asked to measure its doubt, and is in doubt. */
  readonly isDoubtful?: boolean;
  /** It was asked for an explanation: its time says nothing about a run. */
  readonly isExplained?: boolean;
  /** What is kept of its stream from now on; undefined: what was kept before. */
  readonly kept?: Uint8Array;
  /** Requests that were taken up and answered at once, this one included; their answers come in one go. */
  readonly batchSize: number;
}

export interface HostExit {
  /** Why it ended, for a person: `killed after 10000 ms without an answer`, `signal SIGSEGV`, `memory limit of 512 MiB`. */
  readonly reason: string;
  readonly code: PlacementFailure;
  /** What a request did that ended it; undefined: it was the model's or the machine's fault, or asked for. */
  readonly blames?: RequestFault;
  /** The size of the run that needed too much memory, when it was the only one that may have. */
  readonly tooLarge?: RunSize;
  /** Of a process that held other models too. */
  readonly shared?: SharedHostEnd;
}

/** What the end of a shared host means for one of its models. */
export interface SharedHostEnd {
  /** It counts as no crash of the model, whose next host starts at once. */
  readonly mayReturn: boolean;
  /** What an operator is to know: which host ended, what it held, and which model ended it. With one of its models alone. */
  readonly sentence: string | undefined;
}

/** Slots that several hosts of a node have together. */
export interface SharedSlots {
  /** Taken now by hosts beside this one. */
  readonly takenByOthers: number;
  /** `listener` is called whenever one of those became free, as long as the host is there. */
  onFreed(listener: () => void): void;
}

/** What a model took in its start. Undefined: not measured. */
export interface HostTrial {
  /** What it added to the memory of its process, in MiB. */
  readonly addedMiB: number | undefined;
  /** CPU time of its load, in ms, and of its quickest run, in µs. */
  readonly loadCpuMs: number | undefined;
  readonly runCpuUs: number | undefined;
}

/** One running child process with one loaded model. Its starter owns it and must `stop` it. */
export interface ModelHost {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly loadMs: number;
  /** Mean of the warm runs. */
  readonly warmUs: number;
  /** What its trials showed it to need, in MiB: it is held to that, in a shared host with the others. Undefined when its limit was given. */
  readonly measuredMiB: number | undefined;
  /** What its start showed of the model; undefined where nothing was measured. */
  readonly trial?: HostTrial;
  /** The name of the process, when it may hold other models too. */
  readonly sharedHost?: string;
  /** Decides by what it worked lately whether it may stay in its process. Called every few seconds; `whyReplace` then says it. */
  reviewWork?(): void;
  /** Why another host is to take its place while it serves; undefined: it may stay. Changes nothing. */
  whyReplace?(): string | undefined;
  /** What it was started with. */
  readonly mayShare: RunSharing | undefined;
  /** Requests that it runs at once, each of which begins its answer long before its end; undefined: it runs one thing at a time. */
  readonly slots?: number;
  /** Where those slots are not its own alone. */
  readonly sharedSlots?: SharedSlots;
  /** Its steps keep something of a stream from one request to the next. Default: nothing is kept. */
  readonly keepsState?: true;
  /** What it is asked for. Default: tensors. */
  readonly asks?: ModelKind;
  /** Requests that others than this node have at it, as far as it says: those that run, and those that wait. Default: none. */
  others?(): { readonly running: number; readonly waiting: number };
  /** Why its requests do not share runs, as of now; undefined when they do. */
  readonly noBatchReason: string | undefined;
  /** Resident memory of the process when last looked at (at most every second), in MiB. */
  rssMiB(): number;
  /** The limit that it was started with, 0: none, and what it holds of it, in MiB. */
  memory(): { readonly limitMiB: number; readonly privateMiB: number };
  /** Raises the limit of the running process, in MiB; 0: none. A lowered one waits for the next start. Resolves when it holds. */
  raiseMemory(memMiB: number): Promise<void>;
  /** Answers; rejects with `HostFailure` when the process ends first or the time runs out. Requests may overlap. */
  infer(request: HostRequest): Promise<HostResponse>;
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
