import type { PoolFindings } from "../../shared/api/v1/nodes/cloud-pools.ts";
import type { NodeState } from "../../shared/api/v1/nodes/nodes.ts";
import type { RolloutPhase } from "../../shared/api/v1/rollouts/rollouts.ts";
import type { RolloutFacts } from "../core/rollout/facts.ts";
import type { Usage } from "../../shared/text/usage.ts";
import type { PlacementState } from "../../shared/protocol/placement.ts";

/**
 * What is counted. Labels are bounded by the caller: a route is the pattern of the table, never a URL, and a model
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
  /** A text was answered, or a part of it: its caller went away, or its model could not go on. */
  textAnswered(text: MeasuredText): void;
  /** Texts were answered by their embeddings. */
  embeddingsAnswered(embeddings: Pick<MeasuredText, "model" | "usage">): void;
  /** Somebody wanted to begin a session in a browser. */
  loginAnswered(login: { readonly by: LoginBy; readonly isAdmitted: boolean }): void;
  /** A request was refused because of a limit. */
  limitReached(limit: ReachedLimit): void;
  /** A socket of a node was ended because it broke a limit or a rule of the protocol, or for another reason; its name is bounded. */
  nodeSocketEnded(reason: string): void;
  /** Events that were not kept: a node's log beyond its budget, or too many while PostgreSQL is away. */
  eventsDropped(count: number): void;
  /** Bytes of artifacts that were sent to nodes. */
  bytesPushed(bytes: number): void;
  objectStoreAsked(request: MeasuredStoreRequest): void;
  cascade(outcome: CascadeOutcome): void;
  /** A change of a rollout was written by this control plane: the leader's, or an operator's action. */
  rolloutWritten(facts: RolloutFacts): void;
  /** The gate of a rollout counted an answer. */
  rolloutAnswered(answer: {
    readonly deployment: string;
    readonly version: "old" | "new";
    /** Of a sample of the version, not of a caller. */
    readonly isSample: boolean;
    readonly isError: boolean;
  }): void;
  /** Both versions of a rollout answered the same request: whether they decide alike. */
  rolloutCompared(comparison: { readonly deployment: string; readonly agrees: boolean }): void;
}

/** Of a deployment that has a large model behind it. */
export type CascadeOutcome =
  | {
      readonly kind: "asked";
      readonly deployment: string;
      /** What asked for the large model; undefined: the cascade was closed, so that no rule was looked at. */
      readonly rule: string | undefined;
      /** `escalated`, or why the large model did not answer. */
      readonly outcome: string;
    }
  /** Both models answered a request: whether they decide alike. */
  | { readonly kind: "compared"; readonly deployment: string; readonly agrees: boolean }
  /** Bytes of a request went to a cloud node. */
  | { readonly kind: "uploaded"; readonly deployment: string; readonly bytes: number };

/**
 * Of a key: its requests, those under way, its tokens, its uploads, keys and join tokens that it makes. Of an address: keys that it guesses, requests without a key,
 * connections, also those of all addresses together. Of a request: the size of its head, the time until it is here.
 */
export type ReachedLimit =
  | "requests"
  | "concurrency"
  | "tokens"
  | "uploads"
  | "credentials"
  | "failures"
  | "strangers"
  | "connections"
  | "head-size"
  | "arrival-time";

/** With what a session is begun. */
export type LoginBy = "key" | "code" | "oidc";

export interface MeasuredInference {
  /** Undefined when there is no such model, or the caller may not ask for it. */
  readonly model: string | undefined;
  /** `digits:3`; undefined when no version was chosen. */
  readonly modelVersion: string | undefined;
  /** Undefined when no node was asked. */
  readonly node: string | undefined;
  /** Its replica there. */
  readonly placement: string | undefined;
  /** Why that node, as in `Skerry-Route`. */
  readonly reason: string | undefined;
  /** `OK` or a code of the catalog. */
  readonly code: string;
  /** From the request's arrival until its answer. */
  readonly seconds: number;
  /** In the node's queue, and in the model. */
  readonly queueSeconds: number | undefined;
  readonly computeSeconds: number | undefined;
}

/** One request to the object store, with its repetitions. */
export interface MeasuredStoreRequest {
  /** As S3 calls it, e.g. `GetObject`. */
  readonly operation: string;
  /** False: it failed. That there is no such object is an answer. */
  readonly isAnswered: boolean;
  /** Until the answer began. */
  readonly seconds: number;
}

export interface MeasuredText {
  readonly model: string;
  /** The node and the replica that wrote it. */
  readonly node: string | undefined;
  readonly placement: string | undefined;
  readonly usage: Usage;
  /** From the request's arrival until its first token, and from there until its last one. */
  readonly firstSeconds: number;
  readonly restSeconds: number;
}

/** Read on every scrape. */
export interface FleetCounts {
  readonly nodes: ReadonlyMap<NodeState, number>;
  readonly placements: ReadonlyMap<PlacementState, number>;
  /** The newest rollout of each deployment. */
  readonly rollouts: ReadonlyMap<RolloutPhase, number>;
  /** Rollouts that are under way or return, 500 at most: how long each has been in its phase, in ms. */
  readonly runningRollouts: readonly {
    readonly deployment: string;
    readonly phase: RolloutPhase;
    readonly ms: number;
  }[];
  readonly deployments: number;
  /** Links to other control planes. */
  readonly peers: { readonly open: number; readonly broken: number };
  /** Requests that are at nodes now. */
  readonly inFlight: number;
  /** Pools of cloud nodes; none on a replica that does not lead. */
  readonly pools: readonly Pick<PoolFindings, "name" | "wanted" | "ready" | "pending">[];
  /** When the certificate that is shown to callers ends, in ms since 1970; undefined: TLS is not served. */
  readonly certificateEndsAt?: number;
  /** Open streams of changes. */
  readonly watches: Readonly<Record<"nodes" | "deployments" | "rollouts" | "placements" | "events", number>>;
}
