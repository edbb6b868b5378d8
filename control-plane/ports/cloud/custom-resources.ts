import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import type { Actor } from "../access/audit.ts";

export type ResourceKind = "ModelDeployment" | "Model" | "EdgeNode" | "CloudPool";

/** What happened to the resources of one kind, in the order in which it happened. */
export type ResourceChange =
  | { readonly type: "changed" | "deleted"; readonly resource: Resource }
  /** Nothing happened up to here: a watch may go on from this version. */
  | { readonly type: "bookmark"; readonly resourceVersion: string }
  /** The server does not keep changes from so long ago: they have to be listed again. */
  | { readonly type: "expired" };

/** What `kubectl describe` shows under Events. */
export interface ResourceEvent {
  readonly type: "Normal" | "Warning";
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** Who holds which field, in the API server's words. */
export interface StatusConflict {
  readonly conflict: string;
}

/** The custom resources of one namespace. Every method throws `CLUSTER_UNAVAILABLE` when the server does not answer or refuses. */
export interface CustomResources {
  readonly namespace: string;
  /** All of a kind, as the server has them now. */
  list(kind: ResourceKind): Promise<{ readonly resources: readonly Resource[]; readonly resourceVersion: string }>;
  /** Changes after a version, until the server ends the watch or `signal` is aborted: then it returns. */
  watch(kind: ResourceKind, after: string, signal: AbortSignal): AsyncIterable<ResourceChange>;
  /** Makes an object with an empty spec that Skerry owns; returns the one that is there when it is there already. */
  create(kind: ResourceKind, name: string): Promise<Resource>;
  /** Deletes this very object. No effect when it is gone. */
  remove(kind: ResourceKind, resource: Resource): Promise<void>;
  /** Sets or removes Skerry's finalizer. Null when this very object is gone. */
  setFinalizer(kind: ResourceKind, resource: Resource, wanted: { readonly isSet: boolean }): Promise<Resource | null>;
  /**
   * Replaces what Skerry says in the status; conditions of others stay. Null when this very object is gone. Writes nothing and
   * says whose field it is when another field manager holds one of them with another value, unless `isForced`.
   */
  writeStatus(
    kind: ResourceKind,
    resource: Resource,
    status: object,
    wanted: { readonly isForced: boolean },
  ): Promise<Resource | StatusConflict | null>;
  /** Shows an event on an object. The same event again within 10 minutes is counted, not repeated. */
  record(kind: ResourceKind, resource: Resource, event: ResourceEvent): Promise<void>;
}

export interface OwnerStore {
  /**
   * Lets the API change what custom resources declared in other namespaces than this one, or in any: a bounded number of
   * objects, which stay as they are otherwise. Returns how many: 0 when none is left.
   */
  releaseOthers(namespace: string | undefined, actor: Actor): Promise<number>;
}

/** Keeps an object until Skerry has done what its deletion asks for. */
export const FINALIZER = "skerry.dev/cleanup";
/** On objects that Skerry made itself. */
export const MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";
