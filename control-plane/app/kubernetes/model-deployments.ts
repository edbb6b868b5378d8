import { toInstant } from "../../../shared/api/v1/common.ts";
import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { Placement } from "../../../shared/api/v1/deployments/placements.ts";
import type { ModelDeploymentStatus } from "../../../shared/api/v1alpha1/model-deployment.ts";
import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { isEqual } from "../../core/fleet/changes/equal.ts";
import type { FleetDeployment } from "../../core/fleet/types.ts";
import { acceptedStatus, refusedStatus, specOf, statusIn } from "../../core/kubernetes/model-deployment.ts";
import type { Refusal } from "../../core/kubernetes/conditions.ts";
import type { DeploymentStore } from "../../ports/catalog/catalog.ts";
import { FINALIZER, type CustomResources } from "../../ports/cloud/custom-resources.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { DeploymentAdmin } from "../deployments/deployment-admin.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";
import type { ListWatch } from "../fleet/list-watch.ts";
import { failureOf, refusalOf } from "./refusals.ts";
import type { ResourceCache } from "./resource-cache.ts";
import type { Outcome } from "./keyed-queue.ts";
import type { Reconciler } from "./resource-controller.ts";
import { StatusWriter } from "./status-writer.ts";

const KIND = "ModelDeployment";

interface Parts {
  readonly cluster: CustomResources;
  readonly deployments: Pick<DeploymentAdmin, "get" | "put" | "delete" | "placements">;
  readonly store: Pick<DeploymentStore, "release">;
  readonly watch: Pick<ListWatch<Deployment>, "follow">;
  readonly fleet: Pick<FleetReader, "snapshot">;
  readonly actor: Actor;
  readonly clock: Clock;
}

/**
 * Declares in Skerry what ModelDeployments say, and shows in their status what became of it. A name means the same on both
 * sides. An object that is gone without having been deleted takes nothing with it: silence never stops a model.
 */
export class ModelDeployments implements Reconciler {
  readonly kind = KIND;
  readonly #parts: Parts;
  readonly #status: StatusWriter<ModelDeploymentStatus>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#status = new StatusWriter(KIND, { ...parts, statusIn });
  }

  async follow(changed: (name: string) => void, signal: AbortSignal): Promise<void> {
    const request = { after: undefined, isVisible: () => true, signal };
    for await (const messages of this.#parts.watch.follow(request))
      for (const message of messages) if ("item" in message) changed(message.item.name);
  }

  async reconcile(name: string, resources: ResourceCache): Promise<Outcome> {
    const object = resources.get(name);
    if (!object) return this.#withoutObject(name);
    if (object.metadata.deletionTimestamp !== undefined) return this.#finalize(object, resources);
    const kept = object.metadata.finalizers.includes(FINALIZER)
      ? object
      : await this.#parts.cluster.setFinalizer(KIND, object, { isSet: true });
    if (!kept) return "done";
    resources.put(kept);
    const refusal = await this.#declare(kept);
    if (refusal) {
      await this.#status.write(kept, refusedStatus(kept, refusal, this.#now()), resources);
      // What is in the way may be removed without a sign of it: the model may be pushed, PostgreSQL may come back.
      return "again";
    }
    const known = this.#known(name);
    // Until the leader has planned for it there is nothing to say; then this is called again.
    if (!known || !isPlanned(known.deployment)) return "done";
    return this.#status.write(kept, acceptedStatus(kept, { ...known, now: this.#now() }), resources);
  }

  /** Nothing when it is declared as the object says, by now or already. */
  async #declare(object: Resource): Promise<Refusal | undefined> {
    const { deployments, actor } = this.#parts;
    const spec = specOf(object);
    if ("reason" in spec) return spec;
    const known = this.#row(object.metadata.name);
    if (known?.kubernetesNamespace === actor.kubernetesNamespace && isEqual(known?.spec, spec)) return undefined;
    const failure = await failureOf(() => deployments.put(spec, { actor, ifMatch: undefined }));
    return failure && refusalOf(failure);
  }

  async #finalize(object: Resource, resources: ResourceCache): Promise<Outcome> {
    const { name, finalizers } = object.metadata;
    if (!finalizers.includes(FINALIZER)) return "done";
    const failure = await this.#delete(name);
    if (failure) {
      const message = `${failure}; it is tried again, and the object stays until then`;
      const status = refusedStatus(object, { reason: "DeletionDelayed", message }, this.#now());
      await this.#status.write(object, status, resources);
      return "again";
    }
    const released = await this.#parts.cluster.setFinalizer(KIND, resources.get(name) ?? object, { isSet: false });
    if (released) resources.put(released);
    return "done";
  }

  /** Why the deployment is still there; undefined when it is not, or belongs to somebody else. */
  async #delete(name: string): Promise<string | undefined> {
    const { deployments, actor } = this.#parts;
    const failure = await failureOf(() => deployments.delete(name, { actor, ifMatch: undefined }));
    return failure?.code === "NOT_FOUND" || failure?.code === "CONFLICT" ? undefined : failure?.message;
  }

  async #withoutObject(name: string): Promise<Outcome> {
    const { store, actor } = this.#parts;
    const isOurs = this.#row(name)?.kubernetesNamespace === actor.kubernetesNamespace;
    if (isOurs) await store.release(name, actor);
    return "done";
  }

  #row(name: string): FleetDeployment | undefined {
    return this.#parts.fleet.snapshot().deployments.get(name);
  }

  #known(name: string): { readonly deployment: Deployment; readonly placements: readonly Placement[] } | undefined {
    if (!this.#row(name)) return undefined;
    const { deployments } = this.#parts;
    return { deployment: deployments.get(name), placements: deployments.placements(name) };
  }

  #now(): string {
    return toInstant(this.#parts.clock.wallNow());
  }
}

/** After a restart a record may be older than what the nodes say: it is replaced within a second. */
const isPlanned = ({ generation, status }: Deployment): boolean =>
  status.observedGeneration === generation && !status.conditions.some(({ reason }) => reason === "StatusOutdated");
