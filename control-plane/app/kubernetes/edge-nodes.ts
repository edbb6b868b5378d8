import { toInstant } from "../../../shared/api/v1/common.ts";
import type { Node } from "../../../shared/api/v1/nodes/nodes.ts";
import type { EdgeNodeStatus } from "../../../shared/api/v1alpha1/edge-node.ts";
import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { isSkerryError } from "../../../shared/base/errors.ts";
import { isEqual } from "../../core/fleet/changes/equal.ts";
import type { Refusal } from "../../core/kubernetes/conditions.ts";
import {
  absentStatus,
  edgeNodeSpecOf,
  edgeNodeStatusIn,
  isAsDeclared,
  joinedStatus,
} from "../../core/kubernetes/edge-node.ts";
import type { Actor } from "../../ports/access/audit.ts";
import { MANAGED_BY_LABEL, type CustomResources } from "../../ports/cloud/custom-resources.ts";
import type { ListWatch } from "../fleet/list-watch.ts";
import type { NodeAdmin } from "../nodes/node-admin.ts";
import type { Outcome } from "./keyed-queue.ts";
import { failureOf, refusalOf } from "./refusals.ts";
import type { ResourceCache } from "./resource-cache.ts";
import type { Reconciler } from "./resource-controller.ts";
import { StatusWriter } from "./status-writer.ts";

const KIND = "EdgeNode";

interface Parts {
  readonly cluster: CustomResources;
  readonly nodes: Pick<NodeAdmin, "get" | "declare">;
  readonly watch: Pick<ListWatch<Node>, "follow">;
  readonly actor: Actor;
  readonly clock: Clock;
}

/**
 * Shows each edge node as an object, and does what the object's spec says of it. Objects follow nodes: one that is deleted
 * comes back, and nothing becomes of the node. One that somebody made for a node that has not joined waits for it.
 */
export class EdgeNodes implements Reconciler {
  readonly kind = KIND;
  readonly #parts: Parts;
  readonly #status: StatusWriter<EdgeNodeStatus>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#status = new StatusWriter(KIND, { ...parts, statusIn: edgeNodeStatusIn });
  }

  async follow(changed: (name: string) => void, signal: AbortSignal): Promise<void> {
    const request = { after: undefined, isVisible: () => true, signal };
    for await (const messages of this.#parts.watch.follow(request))
      for (const message of messages) if ("item" in message && message.item.kind === "edge") changed(message.item.name);
  }

  async reconcile(name: string, resources: ResourceCache): Promise<Outcome> {
    const { cluster } = this.#parts;
    const known = resources.get(name);
    const node = this.#node(name);
    if (!node) {
      if (!known) return "done";
      const isOurs = known.metadata.labels?.[MANAGED_BY_LABEL] === "skerry" && isEqual(known.spec ?? {}, {});
      if (isOurs) await cluster.remove(KIND, known);
      else return this.#status.write(known, absentStatus(known, this.#now()), resources);
      return "done";
    }
    const object = known ?? (await cluster.create(KIND, name));
    if (!known) resources.add(object);
    const refused = await this.#declare(object, node);
    const status = joinedStatus(object, { node: this.#node(name) ?? node, refused, now: this.#now() });
    const written = await this.#status.write(object, status, resources);
    return refused ? "again" : written;
  }

  /** Undefined when the node is as the object says. */
  async #declare(object: Resource, node: Node): Promise<Refusal | undefined> {
    const spec = edgeNodeSpecOf(object);
    if ("reason" in spec) return spec;
    if (isAsDeclared(spec, node)) return undefined;
    const failure = await failureOf(() => this.#parts.nodes.declare(node.name, spec, this.#parts.actor));
    return failure && refusalOf(failure);
  }

  /** Undefined when there is none, or it is no edge node any more. */
  #node(name: string): Node | undefined {
    try {
      const node = this.#parts.nodes.get(name);
      return node.kind === "edge" && node.state !== "revoked" ? node : undefined;
    } catch (error) {
      if (isSkerryError(error) && error.code === "NOT_FOUND") return undefined;
      throw error;
    }
  }

  #now(): string {
    return toInstant(this.#parts.clock.wallNow());
  }
}
