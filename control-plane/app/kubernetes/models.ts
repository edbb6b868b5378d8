import { msOfInstant, toInstant } from "../../../shared/api/v1/common.ts";
import type { ModelStatus } from "../../../shared/api/v1alpha1/model.ts";
import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { isSkerryError } from "../../../shared/base/errors.ts";
import {
  acceptedModelStatus,
  modelSpecOf,
  modelStatusIn,
  planAliases,
  refusedModelStatus,
} from "../../core/kubernetes/model.ts";
import { FINALIZER, type CustomResources } from "../../ports/cloud/custom-resources.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { ModelCatalog } from "../catalog/model-catalog.ts";
import type { Outcome } from "./keyed-queue.ts";
import type { ModelChanges } from "./model-changes.ts";
import { failureOf, refusalOf } from "./refusals.ts";
import type { ResourceCache } from "./resource-cache.ts";
import type { Reconciler } from "./resource-controller.ts";
import { StatusWriter } from "./status-writer.ts";

/** After so long an object goes although its model could not be deleted; the model stays then. */
const LET_GO_MS = 10 * 60_000;
const KIND = "Model";

interface Parts {
  readonly cluster: CustomResources;
  readonly catalog: Pick<
    ModelCatalog,
    "declareModel" | "releaseModel" | "deleteModel" | "getModel" | "listModels" | "listVersions" | "moveAlias"
  >;
  readonly changes: Pick<ModelChanges, "follow">;
  readonly actor: Actor;
  readonly clock: Clock;
}

/** Makes models, their labels and their aliases what Models say. Bytes come through the API alone. */
export class Models implements Reconciler {
  readonly kind = KIND;
  readonly #parts: Parts;
  readonly #status: StatusWriter<ModelStatus>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#status = new StatusWriter(KIND, { ...parts, statusIn: modelStatusIn });
  }

  async follow(changed: (name: string) => void, signal: AbortSignal): Promise<void> {
    const following = this.#parts.changes.follow(changed, signal);
    // Those whose object went while nobody looked. Without PostgreSQL they are found in the next term of a leader.
    const models = await this.#parts.catalog.listModels().catch(() => []);
    for (const { name, managedBy } of models) if (managedBy !== undefined) changed(name);
    await following;
  }

  async reconcile(name: string, resources: ResourceCache): Promise<Outcome> {
    const { cluster, catalog, actor } = this.#parts;
    const object = resources.get(name);
    if (!object) {
      await catalog.releaseModel(name, actor);
      return "done";
    }
    if (object.metadata.deletionTimestamp !== undefined) return this.#finalize(object, resources);
    const kept = object.metadata.finalizers.includes(FINALIZER)
      ? object
      : await cluster.setFinalizer(KIND, object, { isSet: true });
    if (!kept) return "done";
    resources.put(kept);
    const status = await this.#declare(kept);
    const written = await this.#status.write(kept, status, resources);
    // A version that is missing may come, and its coming is seen; what else is in the way is looked at again.
    const isRefused = status.conditions.some(({ type, status: is }) => type === "Accepted" && is === "False");
    return isRefused ? "again" : written;
  }

  async #declare(object: Resource) {
    const { catalog, actor } = this.#parts;
    const { name } = object.metadata;
    const spec = modelSpecOf(object);
    if ("reason" in spec) return refusedModelStatus(object, spec, this.#now());
    try {
      const before = await catalog.declareModel({ name, labels: spec.labels }, actor);
      const versions = await catalog.listVersions(name);
      const { moves, missing } = planAliases(spec, before, versions);
      for (const move of moves) await catalog.moveAlias({ model: name, ...move, ifMatch: undefined }, actor);
      const model = moves.length === 0 ? before : await catalog.getModel(name);
      return acceptedModelStatus(object, { model, versions, missing, now: this.#now() });
    } catch (error) {
      if (!isSkerryError(error)) throw error;
      return refusedModelStatus(object, refusalOf(error), this.#now());
    }
  }

  async #finalize(object: Resource, resources: ResourceCache): Promise<Outcome> {
    const { cluster, catalog, actor, clock } = this.#parts;
    const { name, finalizers, deletionTimestamp = "" } = object.metadata;
    if (!finalizers.includes(FINALIZER)) return "done";
    const spec = modelSpecOf(object);
    const isKept = "reason" in spec || spec.deletionPolicy === "Retain";
    const failure = await failureOf(() =>
      isKept ? catalog.releaseModel(name, actor) : catalog.deleteModel(name, actor),
    );
    const isOverdue = clock.wallNow() - msOfInstant(deletionTimestamp) > LET_GO_MS;
    if (failure && failure.code !== "NOT_FOUND" && !isOverdue) {
      const message = `${failure.message}; it is tried again, and the object goes 10 minutes after it was deleted at the latest, without its model`;
      await this.#status.write(
        object,
        refusedModelStatus(object, { reason: "DeletionDelayed", message }, this.#now()),
        resources,
      );
      return "again";
    }
    const released = await cluster.setFinalizer(KIND, resources.get(name) ?? object, { isSet: false });
    if (released) resources.put(released);
    return "done";
  }

  #now(): string {
    return toInstant(this.#parts.clock.wallNow());
  }
}
