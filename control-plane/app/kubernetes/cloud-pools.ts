import { toInstant } from "../../../shared/api/v1/common.ts";
import type { PoolFindings } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import type { CloudPoolStatus } from "../../../shared/api/v1alpha1/cloud-pool.ts";
import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { isEqual } from "../../core/fleet/changes/equal.ts";
import {
  acceptedPoolStatus,
  cloudPoolSpecOf,
  cloudPoolStatusIn,
  refusedPoolStatus,
} from "../../core/kubernetes/cloud-pool.ts";
import type { Refusal } from "../../core/kubernetes/conditions.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { DeclaredPool, PoolDeclarations } from "../../ports/cloud/cloud-pool.ts";
import type { CustomResources } from "../../ports/cloud/custom-resources.ts";
import type { PoolAdmin } from "../cloud/pool-admin.ts";
import type { PoolLoop } from "../cloud/pool-loop.ts";
import type { Outcome } from "./keyed-queue.ts";
import { failureOf, refusalOf } from "./refusals.ts";
import type { ResourceCache } from "./resource-cache.ts";
import type { Reconciler } from "./resource-controller.ts";
import { StatusWriter } from "./status-writer.ts";

const KIND = "CloudPool";

export interface PoolParts {
  readonly admin: Pick<PoolAdmin, "check" | "put">;
  readonly declarations: Pick<PoolDeclarations, "list" | "delete">;
  readonly loop: Pick<PoolLoop, "findings" | "onFindings">;
}

interface Parts extends PoolParts {
  readonly cluster: CustomResources;
  readonly actor: Actor;
  readonly clock: Clock;
}

/**
 * Declares in Skerry what CloudPools say, and shows in their status what became of it. Without a finalizer: a pool that is
 * gone leaves its pods as they are, so there is nothing to undo before its object may go.
 */
export class CloudPools implements Reconciler {
  readonly kind = KIND;
  readonly #parts: Parts;
  readonly #status: StatusWriter<CloudPoolStatus>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#status = new StatusWriter(KIND, { ...parts, statusIn: cloudPoolStatusIn });
  }

  async follow(changed: (name: string) => void, signal: AbortSignal): Promise<void> {
    const { loop } = this.#parts;
    const end = loop.onFindings(changed);
    // Those whose objects went while nobody looked. Without PostgreSQL: those that the loop knows, and later finds.
    const pools = await this.#ours().catch(() => undefined);
    for (const name of pools?.map(({ spec }) => spec.name) ?? loop.findings.map((each) => each.name)) changed(name);
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    end();
  }

  async reconcile(name: string, resources: ResourceCache): Promise<Outcome> {
    const object = resources.get(name);
    if (!object || object.metadata.deletionTimestamp !== undefined) return this.#withoutObject(name);
    const refused = await this.#declare(object);
    const status = refused
      ? refusedPoolStatus(object, refused, this.#now())
      : acceptedPoolStatus(object, { findings: this.#findingsOf(name), now: this.#now() });
    const written = await this.#status.write(object, status, resources);
    // What is in the way may be removed without a sign of it.
    return refused ? "again" : written;
  }

  /** Undefined when it is declared as the object says, by now or already. */
  async #declare(object: Resource): Promise<Refusal | undefined> {
    const spec = cloudPoolSpecOf(object);
    if ("reason" in spec) return spec;
    const failure = await failureOf(async () => {
      // What is declared already may be against settings that are newer.
      this.#parts.admin.check(spec);
      const known = (await this.#ours()).find((each) => each.spec.name === spec.name);
      if (!isEqual(known?.spec, spec))
        await this.#parts.admin.put(spec, { actor: this.#parts.actor, ifMatch: undefined });
    });
    return failure && refusalOf(failure);
  }

  async #withoutObject(name: string): Promise<Outcome> {
    const { declarations, actor } = this.#parts;
    const isOurs = (await this.#ours()).some(({ spec }) => spec.name === name);
    // Not through `admin`, which refuses it while a pool of the settings has the same name.
    if (isOurs) await declarations.delete(name, { actor, ifMatch: undefined });
    return "done";
  }

  async #ours(): Promise<readonly DeclaredPool[]> {
    const { declarations, actor } = this.#parts;
    return (await declarations.list()).filter(({ kubernetesNamespace: of }) => of === actor.kubernetesNamespace);
  }

  #findingsOf(name: string): PoolFindings | undefined {
    return this.#parts.loop.findings.find((each) => each.name === name);
  }

  #now(): string {
    return toInstant(this.#parts.clock.wallNow());
  }
}
