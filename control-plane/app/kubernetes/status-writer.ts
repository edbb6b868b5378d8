import type { Resource, ResourceCondition } from "../../../shared/api/v1alpha1/resource.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { isEqual } from "../../core/fleet/changes/equal.ts";
import { transitionsOf } from "../../core/kubernetes/conditions.ts";
import type { CustomResources, ResourceKind } from "../../ports/cloud/custom-resources.ts";
import type { Outcome } from "./keyed-queue.ts";
import type { ResourceCache } from "./resource-cache.ts";

/** After a field was taken back from another field manager it is not taken back again for so long, then for twice that. */
const FIRST_TRUCE_MS = 10_000;
const LONGEST_TRUCE_MS = 10 * 60_000;

interface Status {
  readonly conditions: readonly ResourceCondition[];
}

interface Parts<Of> {
  readonly cluster: Pick<CustomResources, "writeStatus" | "record">;
  /** What is Skerry's of an object's status now. */
  readonly statusIn: (object: Resource) => Of;
  readonly clock: Clock;
}

interface Truce {
  readonly since: number;
  readonly ms: number;
}

/**
 * Shows what became of an object in its status, and what of it is worth an event. Writes nothing that is there already. The
 * status is Skerry's: a field that another field manager writes over is taken back, with an event. From a manager that writes
 * it again and again it is taken back ever later, so that the two do not write by turns all day.
 */
export class StatusWriter<Of extends Status> {
  readonly #kind: ResourceKind;
  readonly #parts: Parts<Of>;
  /** By the object's uid. */
  readonly #truces = new Map<string, Truce>();

  constructor(kind: ResourceKind, parts: Parts<Of>) {
    this.#kind = kind;
    this.#parts = parts;
  }

  /** `again`: another manager holds a field, and it is to be tried again later. */
  async write(object: Resource, status: Of, resources: Pick<ResourceCache, "put">): Promise<Outcome> {
    const { cluster, clock, statusIn } = this.#parts;
    const before = statusIn(object);
    if (isEqual(before, status)) return "done";
    const { uid } = object.metadata;
    const truce = this.#truces.get(uid);
    let written = await cluster.writeStatus(this.#kind, object, status, { isForced: false });
    if (written && "conflict" in written) {
      if (truce && clock.now() - truce.since < truce.ms) return "again";
      const conflict = `${written.conflict}; the status is Skerry's, and is taken back`;
      this.#agree(uid, truce);
      written = await cluster.writeStatus(this.#kind, object, status, { isForced: true });
      await cluster.record(this.#kind, object, { type: "Warning", reason: "StatusConflict", message: conflict });
    }
    if (!written || "conflict" in written) return "done";
    resources.put(written);
    for (const event of transitionsOf(before.conditions, status.conditions))
      await cluster.record(this.#kind, written, event);
    return "done";
  }

  #agree(uid: string, known: Truce | undefined): void {
    const now = this.#parts.clock.now();
    for (const [key, { since, ms }] of this.#truces) if (now - since > ms + LONGEST_TRUCE_MS) this.#truces.delete(key);
    const isOld = known === undefined || now - known.since > known.ms + LONGEST_TRUCE_MS;
    const ms = isOld ? FIRST_TRUCE_MS : Math.min(known.ms * 2, LONGEST_TRUCE_MS);
    this.#truces.set(uid, { since: now, ms });
  }
}
