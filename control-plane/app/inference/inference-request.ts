import type { OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import type { Cancellation } from "../../../shared/flow/cancellation.ts";
import type { ErrorCode } from "../../../shared/base/errors.ts";
import type { Preference } from "../../../shared/inference/http/request-headers.ts";
import type { AnswerDoubt } from "../../../shared/protocol/answer-doubt.ts";
import type { ModelKind } from "../../../shared/text/model-kind.ts";
import type { NodeStream } from "./pending-requests.ts";
import type { CascadeClosing } from "../../core/cascade/opening.ts";
import type { CascadeQuestion, CascadeRule } from "../../core/cascade/rules.ts";
import type { PickReason } from "../../core/routing/pick.ts";

/** One inference as it entered: routed by its URL and headers, its body never read by the control plane. */
export interface InferenceRequest {
  readonly model: string;
  /** A number or an alias; undefined: the model's deployment decides. */
  readonly version: string | undefined;
  /** Whose replicas of a version that is named are asked, and not waited for; undefined: those of any deployment. */
  readonly deployment?: string;
  /** Default: tensors. For text and embeddings its body is a question to such a model. */
  readonly asks?: ModelKind;
  /** Its path asks for an explanation, which is many runs: it is not hedged, and no node is given up for its silence. */
  readonly explain?: boolean;
  /** Of a request for tensors: when its answer is in doubt, as a cascade has it. */
  readonly doubt?: AnswerDoubt;
  /** Of a request for text: the hash of the session that it belongs to. */
  readonly session?: number;
  /** Whose it is, by the id of the key: what a large model does with it counts for this caller's cascades alone. */
  readonly caller?: string;
  /** What decides whether a cascade asks its large model. */
  readonly cascade?: CascadeQuestion;
  /** Requests with the same key go to the same version while a rollout divides them; a session does too. */
  readonly sticky?: string | undefined;
  /** The stream that it belongs to: steps of a pipeline go on with what they keep of it. It is not sent to a second node once it may have run. */
  readonly stream?: string | undefined;
  /** The Open Inference Protocol body in the pieces in which it came. There until the request is answered, no longer. */
  readonly body: readonly Uint8Array[];
  /** `Inference-Header-Content-Length`; `JSON_BODY` when there is none, 0 for raw bytes. */
  readonly headerLength: number;
  /** Time the caller gives, counted from arrival, in ms. Undefined: the deployment's default. */
  readonly timeoutMs: number | undefined;
  /** The caller's site, when it said so and it is known. */
  readonly site: string | undefined;
  /** May tighten the deployment's residency, never loosen it. */
  readonly residency: "edge-only" | undefined;
  readonly prefer: Preference | undefined;
  readonly traceparent: string | undefined;
  /** Cancelled when the caller goes away. */
  readonly cancellation: Cancellation;
}

export const bodyBytes = ({ body }: Pick<InferenceRequest, "body">): number =>
  body.reduce((sum, { byteLength }) => sum + byteLength, 0);

export interface InferenceResponse {
  readonly status: number;
  /** Set when `status` is not 200. */
  readonly code: ErrorCode | undefined;
  readonly retryAfterMs: number | undefined;
  readonly headerLength: number;
  /**
   * An Open Inference Protocol body; on an error `{"error": "…"}`. The receiver of the answer owns it, and reads a stream to
   * its end or cancels it.
   */
  readonly body: OwnedBytes | NodeStream;
  /** The model was asked to measure its doubt, and is in doubt. */
  readonly isDoubtful?: boolean;
  /** It was asked for an explanation, by its path or by a parameter: its time says nothing about a run. */
  readonly isExplained?: boolean;
  /** Undefined when no node was asked. */
  readonly node: string | undefined;
  /** `digits:3` */
  readonly modelVersion: string | undefined;
  readonly route: RouteNote;
  /** Milliseconds: choosing; on the wire and waiting there; in the node's queue; in the model. */
  readonly timing: {
    readonly routeMs: number;
    readonly wireMs: number;
    readonly queueMs: number;
    readonly inferMs: number;
  };
}

/** Why this node, or why none; docs/routing.md explains each. */
export type RouteReason =
  | PickReason
  | "pinned"
  | "retry"
  | "hedge"
  | "cascade"
  | "busy"
  | "late"
  | "none-ready"
  | "draining";

/** Why this node: the `Skerry-Route` header. */
export interface RouteNote {
  readonly placement: string | undefined;
  readonly reason: RouteReason;
  readonly etaMs: number | undefined;
  readonly candidates: number;
  readonly attempt: number;
  /** The graph that the node has, of a version with variants. */
  readonly variant?: string | undefined;
  readonly cascade?: CascadeNote;
}

/** Of a cascade: the rule that asked for the large model, and why its answer is not this one. */
export interface CascadeNote {
  readonly rule?: CascadeRule | undefined;
  readonly closed?: CascadeClosing;
}
