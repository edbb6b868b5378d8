import type { IndexEntry, ModelMetadata, ServerMetadata } from "../../api/v1/inference.ts";
import type { Cancellation } from "../../flow/cancellation.ts";
import type { ModelTarget } from "../http/path.ts";
import type { VersionStatistics } from "../statistics.ts";
import type { RequestBody } from "./infer-messages.ts";
import type { Refusal } from "./status.ts";

/** What is known of a call beside its message. */
export interface CallFacts {
  /** Metadata by lower-case name: what HTTP sends as headers. */
  readonly header: (name: string) => string | undefined;
  readonly requestId: string;
  readonly address: string;
  /** Time that the caller gives, from `grpc-timeout`, in ms. Undefined: the deployment's default. */
  readonly timeoutMs: number | undefined;
  /** Cancelled when the caller goes away. */
  readonly cancellation: Cancellation;
}

export type InferOutcome =
  | {
      readonly kind: "answered";
      /** The front owns it no longer. */
      readonly body: Uint8Array;
      readonly headerLength: number;
      /** Which node answered, and why that one. */
      readonly headers: Readonly<Record<string, string>>;
    }
  | ({ readonly kind: "refused" } & Refusal);

/**
 * What the gRPC service asks of the side that serves it: the control plane or a node. Everything may throw `SkerryError`;
 * authentication is the front's, because the two sides know different keys.
 */
export interface InferenceFront {
  isServerReady(): boolean;
  serverMetadata(): ServerMetadata;
  isModelReady(call: CallFacts, target: ModelTarget): Promise<boolean>;
  modelMetadata(call: CallFacts, target: ModelTarget): Promise<ModelMetadata>;
  /** Without a target, of every model that the caller may see. */
  statistics(call: CallFacts, target: ModelTarget | undefined): Promise<readonly VersionStatistics[]>;
  repositoryIndex(call: CallFacts, filter: { readonly readyOnly: boolean }): Promise<readonly IndexEntry[]>;
  changeRepository(call: CallFacts, change: RepositoryChange): Promise<void>;
  /** Every refusal is a value, so that it can name the node that refused. */
  infer(call: CallFacts, target: ModelTarget, body: RequestBody): Promise<InferOutcome>;
}

export interface RepositoryChange {
  readonly verb: "load" | "unload";
  readonly model: string;
  /** What came along; only its names are looked at. */
  readonly parameters: Readonly<Record<string, unknown>>;
}
