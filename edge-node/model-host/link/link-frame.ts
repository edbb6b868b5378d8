import type { RunSize } from "../../../shared/inference/run-size.ts";
import type { InputDefault, TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import type { TensorSignature } from "../../../shared/inference/tensors/shape.ts";
import { MAX_MESSAGE_BYTES } from "../../../shared/protocol/limits.ts";
import type { DecoderModel } from "../../../shared/text/decoder-model.ts";
import type { EncoderModel } from "../../../shared/text/encoder-model.ts";
import type { TextCapacity } from "../../../shared/text/text-model.ts";
import { DATA_HEADER } from "../../../shared/protocol/frames/stream-frame.ts";

/**
 * What agent and model host say to each other, on one pair of connected sockets. Integers are little-endian, as both ends
 * run on one machine. The agent sends requests; the host first tells how it starts, in events, then begins the answers
 * in the order in which the requests came.
 *
 *   request: u32 request id, u32 header length, u32 body length, u16 most rows, u8 0, u8 slot, u32 ms that it may take, u16 doubt
 *            length, u16 0; body, and at its end as many bytes of an `AnswerDoubt` as JSON. All others end in u32 0, u32 0
 *   explain: as a request, u8 6: its path asks for an explanation
 *   cancel:  u32 request id, u32 0, u32 0, u16 0, u8 1, u8 0. Nobody wants the answer any more: a request that has not been taken
 *            up is answered CANCELLED, with no body, and does not run; an answer in pieces ends with CANCELLED; an explanation under
 *            way ends before its next run, which it learns from `CancelledRequests`; for any other it means nothing
 *   limit:   u32 0, u32 0, u32 0, u16 0, u8 3, u8 0. The memory limit is another one: what was too large may not be so any more
 *   credit:  u32 request id, u32 bytes, u32 0, u16 0, u8 2, u8 0. So many bytes of the answer in pieces may be sent beyond
 *            those granted before; the first `INITIAL_CREDIT_BYTES` need no grant
 *   load:    u32 0, u32 0, u32 body length, u16 0, u8 4, u8 slot; body: a `HostTask` as JSON. Of a shared host alone
 *   unload:  u32 0, u32 0, u32 0, u16 0, u8 5, u8 slot. Of a shared host alone; answered by the event `unloaded`
 *   kept:    u32 id of the request that follows, u32 0, u32 body length, u16 0, u8 7, u8 slot; body: what the steps of a pipeline keep
 *            of the stream of that request, without bytes when the stream begins. Only to a host that said `keepsState`
 *   reply:   u8 kind, with 0x80 of an answer to who asked for an explanation and 0x40 of one in doubt, u8 code, u16 batch size, u32 request id, u32 header length, u32 compute µs, u32 decode µs, u32 encode µs,
 *            u32 body length; body
 *
 * An answer is one ANSWER; or, when it is large or made bit by bit, one HEAD, any number of PIECE, one END. A DOUBTFUL_HEAD is
 * the HEAD of a text whose request asked to measure the model's doubt, and whose model is in doubt. A HEAD carries no
 * body: its body length is that of all pieces together, `UNKNOWN_LENGTH` while the run goes on. An END has the
 * times of the whole run, a code when the pieces are not all, and of an answer in text or embeddings an `AnswerEnd` as a body in JSON. Pieces of several answers may interleave.
 *
 * A KEPT comes before the answer to a request that came with one: what is kept of its stream from now on, as the body. An answer
 * without one changes nothing of the stream.
 *
 * A slot is a model's place in a shared host, from 1; 0 in a host of one model. An event has it in place of the request id.
 */

/** Where the link is in the host: 0–2 are the standard streams. */
export const LINK_FD = 3;
/** A file that it shares with the agent: `RunningSlot` and `CancelledRequests`. */
export const STATUS_FD = 5;

export const REQUEST_HEADER = 24;
export const REPLY_HEADER = 28;

export const ASK = { REQUEST: 0, CANCEL: 1, CREDIT: 2, LIMIT: 3, LOAD: 4, UNLOAD: 5, EXPLAIN: 6, KEPT: 7 } as const;
export const REPLY = { EVENT: 1, ANSWER: 2, HEAD: 3, PIECE: 4, END: 5, DOUBTFUL_HEAD: 6, KEPT: 7 } as const;

/** The host sends an answer that is no longer in one reply. */
export const WHOLE_ANSWER_BYTES = 1_048_576;
/** Most bytes in one PIECE: as many as fit one DATA frame of the inference channel. */
export const PIECE_BYTES = MAX_MESSAGE_BYTES - DATA_HEADER;

export interface RequestHead {
  /** One of `ASK`. */
  readonly kind: number;
  readonly requestId: number;
  /** Bytes of the JSON part of the body; `JSON_BODY` for all of it, 0 for raw bytes. Of a credit: the bytes granted. */
  readonly headerLength: number;
  readonly bodyLength: number;
  /** Rows that may share a run with it. On each request, so that a changed limit needs no new host. */
  readonly maxRows: number;
  /** Which model of a shared host; 0 when left out. */
  readonly slot?: number;
  /** Of a request: time that it may take, in ms. Only an explanation looks at it, which is many runs; 0 when left out. */
  readonly timeMs?: number;
  /** Bytes at the end of the body that say when the answer is in doubt; 0 when left out: nobody asks. */
  readonly doubtLength?: number;
}

export interface ReplyHead {
  readonly kind: number;
  /** Position in `ANSWER_CODES`. */
  readonly code: number;
  /** Requests that the host took up and answered together, this one included. */
  readonly batchSize: number;
  readonly requestId: number;
  readonly headerLength: number;
  readonly computeUs: number;
  /** Parts of it: reading the request, and writing the answer. The rest is the run. */
  readonly decodeUs: number;
  readonly encodeUs: number;
  readonly bodyLength: number;
  /** The request asked for an explanation: its time says nothing about a run. */
  readonly isExplained?: boolean;
  /** It was asked to measure its doubt, and is in doubt. */
  readonly isDoubtful?: boolean;
}

/** In the byte of a reply's kind. */
const EXPLAINED = 0x80;
const DOUBTFUL = 0x40;

/** Bytes of a reply's body that follow its header. */
export const bytesBehind = ({ kind, bodyLength }: Pick<ReplyHead, "kind" | "bodyLength">): number =>
  kind === REPLY.HEAD || kind === REPLY.DOUBTFUL_HEAD ? 0 : bodyLength;

/** What an answer says in its code byte: 0 is success. */
export const ANSWER_CODES = [
  undefined,
  "INVALID_REQUEST",
  "NOT_SERVED",
  "RUN_FAILED",
  "CANCELLED",
  "QUEUE_FULL",
  "OUT_OF_MEMORY",
  "OUT_OF_MEMORY",
  "CONTEXT_TOO_LONG",
  "DEADLINE_EXCEEDED",
] as const;

/** The code byte of a request that was refused before its run, as one of its size or smaller was too large before. */
export const REFUSED_BEFORE_RUN = 7;

/** Something that an operator should know of a model that serves. */
export interface HostWarning {
  /** The reason of the event that it becomes. */
  readonly reason: "WarmRunFailed" | "NotDeterministic" | "SamplesDiffer";
  readonly message: string;
}

/** How a start goes on, and what the host found while it serves, as JSON in the body of an EVENT. */
export type HostEvent =
  | {
      readonly event: "loaded";
      readonly inputs: readonly TensorSpec[];
      readonly outputs: readonly TensorSignature[];
      readonly loadMs: number;
      /** Memory of the process alone before it loaded, in MiB. */
      readonly baseMiB?: number;
      /** CPU time of loading it, in ms: on a busy machine that is less than the time that passed. */
      readonly loadCpuMs?: number;
      /** Its steps keep something of a stream from one request to the next. */
      readonly keepsState?: true;
    }
  /**
   * `noBatchReason`: why requests do not share runs; absent when they do. `growth`: what runs of growing size took;
   * absent when none were asked for.
   */
  | {
      readonly event: "ready";
      readonly warmUs: number;
      readonly noBatchReason?: string | undefined;
      readonly growth?: Growth;
      /** CPU time of the quickest warm run, in µs. */
      readonly runCpuUs?: number;
      readonly warnings: readonly HostWarning[];
      /** Requests that run at once; 1 when left out. */
      readonly slots?: number;
    }
  /** A run that is larger than all before it begins; without a size: it has ended. */
  | { readonly event: "larger-run"; readonly size?: RunSize }
  /** Of a host that runs several requests at once: a step is done, and no answer came of it yet; or it waits for a reader. */
  | { readonly event: "progress" }
  /** Of a shared host: the model is out of it. */
  | { readonly event: "unloaded" }
  /** Of a shared host: a batch of the model kept the others waiting for so much CPU time. */
  | { readonly event: "slow-batch"; readonly cpuMs: number }
  /** From now on requests do not share runs. */
  | { readonly event: "sharing-stopped"; readonly reason: string }
  | {
      readonly event: "failed";
      readonly phase: "loading" | "warming";
      readonly outOfMemory: boolean;
      readonly detail: string;
    };

/** How far trials of larger and larger runs may go. */
export interface GrowthLimits {
  /** Rows of the largest trial. */
  readonly maxRows: number;
  /** Memory that the process may hold, in MiB. */
  readonly maxMiB: number;
  /** All trials together, in ms. */
  readonly budgetMs: number;
}

/** Memory of the process, in MiB: what it held at most, and how much of that the trials added. */
export interface Growth {
  readonly neededMiB: number;
  readonly addedMiB: number;
}

/** The only argument of a text model's host, as JSON. */
export interface TextHostTask extends TextCapacity {
  readonly model: string;
  readonly version: string;
  /** Absolute path of the file that the runtime loads. */
  readonly file: string;
  /** Threads that compute. */
  readonly threads: number;
  /** Of a graph in ONNX; absent of a model in GGUF. */
  readonly decoder?: DecoderFolder;
}

/** How a decoder is used, and where what describes it is. */
export interface DecoderFolder {
  /** Absolute path of the bundle. */
  readonly directory: string;
  readonly decoder: DecoderModel;
  readonly vocabulary: number;
}

/** The only argument of an encoder's host, as JSON. */
export interface EncoderHostTask {
  readonly model: string;
  readonly version: string;
  /** Absolute paths of the graph and of what the tokenizer is made of. */
  readonly file: string;
  readonly tokenizer: string;
  readonly tokenizerSettings: string | undefined;
  readonly encoder: EncoderModel;
  /** Sizes of runs that ended an earlier host with the same memory limit. */
  readonly tooLarge?: readonly RunSize[];
}

/** The only argument of a tensor model's host, as JSON; of a shared host the body of a `load`. */
export interface HostTask {
  readonly model: string;
  readonly version: string;
  /** Absolute path of the file that the runtime loads. */
  readonly file: string;
  /** Absolute path of the bundle, of a pipeline: its manifest says what is done before and behind its graphs. */
  readonly pipeline?: string;
  /** Why requests may not share a run; absent: trials decide. */
  readonly noBatchReason?: string;
  /** No run on made-up values: the last start died of one. */
  readonly withoutTrials?: boolean;
  /** Find out how much memory larger and larger runs take, within these bounds. */
  readonly growth?: GrowthLimits;
  /** Absolute path of a file with inputs, and perhaps outputs, to try the model with. */
  readonly samples?: string;
  /** Values of inputs that requests may leave out. */
  readonly defaults?: readonly InputDefault[];
  /** Sizes of runs that ended an earlier host with the same memory limit. */
  readonly tooLarge?: readonly RunSize[];
}

export function writeRequestHead(view: DataView, head: RequestHead): void {
  view.setUint32(0, head.requestId, true);
  view.setUint32(4, head.headerLength, true);
  view.setUint32(8, head.bodyLength, true);
  view.setUint16(12, head.maxRows, true);
  view.setUint8(14, head.kind);
  view.setUint8(15, head.slot ?? 0);
  view.setUint32(16, head.timeMs ?? 0, true);
  view.setUint16(20, head.doubtLength ?? 0, true);
  view.setUint16(22, 0, true);
}

export const readRequestHead = (view: DataView): RequestHead => ({
  requestId: view.getUint32(0, true),
  headerLength: view.getUint32(4, true),
  bodyLength: view.getUint32(8, true),
  maxRows: view.getUint16(12, true),
  kind: view.getUint8(14),
  slot: view.getUint8(15),
  timeMs: view.getUint32(16, true),
  doubtLength: view.getUint16(20, true),
});

export function writeReplyHead(view: DataView, head: ReplyHead): void {
  const marks = (head.isExplained === true ? EXPLAINED : 0) | (head.isDoubtful === true ? DOUBTFUL : 0);
  view.setUint8(0, head.kind | marks);
  view.setUint8(1, head.code);
  view.setUint16(2, head.batchSize, true);
  view.setUint32(4, head.requestId, true);
  view.setUint32(8, head.headerLength, true);
  view.setUint32(12, head.computeUs, true);
  view.setUint32(16, head.decodeUs, true);
  view.setUint32(20, head.encodeUs, true);
  view.setUint32(24, head.bodyLength, true);
}

export const readReplyHead = (view: DataView): ReplyHead => ({
  kind: view.getUint8(0) & ~(EXPLAINED | DOUBTFUL),
  ...((view.getUint8(0) & EXPLAINED) !== 0 && { isExplained: true }),
  ...((view.getUint8(0) & DOUBTFUL) !== 0 && { isDoubtful: true }),
  code: view.getUint8(1),
  batchSize: view.getUint16(2, true),
  requestId: view.getUint32(4, true),
  headerLength: view.getUint32(8, true),
  computeUs: view.getUint32(12, true),
  decodeUs: view.getUint32(16, true),
  encodeUs: view.getUint32(20, true),
  bodyLength: view.getUint32(24, true),
});
