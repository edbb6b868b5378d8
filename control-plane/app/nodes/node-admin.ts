import type { DrainRequest, Node } from "../../../shared/api/v1/nodes/nodes.ts";
import type { TrafficLoad } from "../../../shared/api/v1/traffic.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { isSkerryError, SkerryError } from "../../../shared/base/errors.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import { nodeByName, placementsOn } from "../../core/fleet/queries.ts";
import type { FleetNode } from "../../core/fleet/types.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { NodeAdminStore } from "../../ports/nodes/nodes.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";
import { expectedVersion, type IfMatch } from "../deployments/if-match.ts";
import { age, nodeView } from "./node-dto.ts";

export interface NodePatch {
  readonly name?: string | undefined;
  readonly labels?: Record<string, string> | undefined;
  readonly site?: string | undefined;
  readonly zone?: string | undefined;
}

/** What a custom resource says of a node. */
interface DeclaredNode {
  readonly cordoned?: boolean | undefined;
  readonly draining?: boolean | undefined;
  readonly labels?: Record<string, string> | undefined;
  readonly site?: string | undefined;
  readonly zone?: string | undefined;
}

/** What lists of nodes are filtered and sorted by. */
export type NodeFacts = Pick<Node, "name" | "kind" | "site" | "zone" | "labels" | "state">;

interface ListedNode extends NodeFacts {
  /** Makes the whole of it. */
  readonly view: () => Node;
}

interface Change {
  readonly actor: Actor;
  readonly ifMatch: IfMatch;
}

/** Inventory: what the operator sees and may change of nodes. Reads come from memory, writes go to Postgres. */
export class NodeAdmin {
  readonly #store: NodeAdminStore;
  readonly #fleet: FleetReader;
  readonly #clock: Clock;
  readonly #timings: NodeTimings;

  constructor(parts: { store: NodeAdminStore; fleet: FleetReader; clock: Clock; timings: NodeTimings }) {
    this.#store = parts.store;
    this.#fleet = parts.fleet;
    this.#clock = parts.clock;
    this.#timings = parts.timings;
  }

  /** All that were not removed. */
  list(): Node[] {
    const fleet = this.#fleet.snapshot();
    const nodes = [...fleet.nodes.values()].filter(({ revoked }) => !revoked);
    return nodes.map((node) => this.#view(node, placementsOn(fleet, node.id)));
  }

  /**
   * All that were not removed, before their views are made. Those of 1,000 nodes take some 6 ms of CPU, and each open console
   * asks every 5 s for the few that it shows.
   */
  listed(): ListedNode[] {
    const fleet = this.#fleet.snapshot();
    const now = this.#fleet.now();
    const nodes = [...fleet.nodes.values()].filter(({ revoked }) => !revoked);
    return nodes.map((node) => {
      const { name, kind, site, zone, labels } = node;
      const state = nodeState(node, now, this.#timings);
      return { name, kind, site, zone, labels, state, view: () => this.#view(node, placementsOn(fleet, node.id)) };
    });
  }

  /** The newest load report of each node that has sent one and was not removed. */
  loads(): TrafficLoad[] {
    const now = this.#fleet.now();
    return [...this.#fleet.snapshot().nodes.values()].flatMap(({ name, revoked, load }) => {
      if (revoked || !load) return [];
      const { cpuPct, memFreeMiB, rif, at } = load;
      return [{ node: name, cpuPct, memFreeMiB, inFlight: rif, ageMs: age(now, at) }];
    });
  }

  /** Those of `names` that are nodes and were not removed. */
  some(names: ReadonlySet<string>): Node[] {
    const fleet = this.#fleet.snapshot();
    return [...fleet.nodes.values()]
      .filter(({ name, revoked }) => names.has(name) && !revoked)
      .map((node) => this.#view(node, placementsOn(fleet, node.id)));
  }

  /** Throws `NOT_FOUND`. */
  get(name: string): Node {
    const fleet = this.#fleet.snapshot();
    const node = nodeByName(fleet, name);
    if (!node) throw noSuchNode(name);
    return this.#view(node, placementsOn(fleet, node.id));
  }

  /** For the ETag; null while Postgres does not answer, because a node can be looked at without it. */
  async rowVersion(name: string): Promise<number | null> {
    try {
      return await this.#store.rowVersion(name);
    } catch (error) {
      if (isSkerryError(error) && error.code === "DATABASE_UNAVAILABLE") return null;
      throw error;
    }
  }

  /**
   * Throws `NOT_FOUND`, `STALE_ETAG`; for another name `NAME_TAKEN`, and `CONFLICT` when the node is a pod or has never connected;
   * for another site or zone `CONFLICT` when it is a pod.
   */
  async patch(name: string, patch: NodePatch, change: Change): Promise<Node> {
    const { name: newName = name, labels, site, zone } = patch;
    const fields = {
      ...(newName !== name && { name: newName }),
      ...(labels && { labels }),
      ...(site !== undefined && { site }),
      ...(zone !== undefined && { zone }),
    };
    const what = Object.keys(fields).join(", ");
    if (what === "") return this.get(name);
    if (newName === name) {
      const message = `${what} of ${name} changed by ${change.actor.name}${placeText({ site, zone })}`;
      return this.#update(name, fields, { ...change, event: { reason: "NodeChanged", message } });
    }
    const others = Object.keys(fields).filter((field) => field !== "name");
    const also = others.length === 0 ? "" : `, and changed its ${others.join(", ")}`;
    const message = `${change.actor.name} renamed ${name} to ${newName}${also}`;
    return this.#update(name, fields, { ...change, event: { reason: "NodeRenamed", message } });
  }

  /** No new placement comes here; what runs goes on. Throws `NOT_FOUND`, `STALE_ETAG`. */
  cordon(name: string, change: Change): Promise<Node> {
    const event = {
      reason: "NodeCordoned",
      message: `${name} was cordoned by ${change.actor.name}: it gets no new placement`,
    };
    return this.#update(name, { cordoned: true }, { ...change, event });
  }

  /** Undoes cordon and drain. Throws `NOT_FOUND`, `STALE_ETAG`. */
  uncordon(name: string, change: Change): Promise<Node> {
    const event = {
      reason: "NodeUncordoned",
      message: `${name} was uncordoned by ${change.actor.name}: it may get placements again`,
    };
    return this.#update(name, { cordoned: false, draining: false }, { ...change, event });
  }

  /**
   * Its placements are made elsewhere, then leave. The leader keeps the deadline, which takes the place of an earlier one.
   * Throws `NOT_FOUND`, `STALE_ETAG`.
   */
  drain(name: string, { deadlineSeconds, atDeadline }: DrainRequest, change: Change): Promise<Node> {
    const removes = atDeadline === "remove";
    const then = removes ? "what is left is removed then" : "what is left is named then";
    const within = deadlineSeconds === undefined ? "" : ` within ${deadlineSeconds} s; ${then}`;
    const event = {
      reason: "NodeDrainStarted",
      message: `${change.actor.name} drains ${name}: its placements move elsewhere${within}`,
    };
    const drain = deadlineSeconds === undefined ? null : { deadlineSeconds, removes };
    return this.#update(name, { cordoned: true, draining: true, drain }, { ...change, event });
  }

  /**
   * What a custom resource says of a node; nothing, with no field. What is so already changes nothing. Throws `NOT_FOUND`, and
   * `CONFLICT` when one of another namespace declares it.
   */
  declare(name: string, { cordoned, draining, labels, site, zone }: DeclaredNode, actor: Actor): Promise<Node> {
    const fields = {
      ...(cordoned !== undefined && { cordoned }),
      ...(draining !== undefined && { draining }),
      ...(labels && { labels }),
      ...(site !== undefined && { site }),
      ...(zone !== undefined && { zone }),
    };
    const names = Object.keys(fields);
    const kubernetesNamespace = names.length === 0 ? null : (actor.kubernetesNamespace ?? null);
    const message =
      names.length === 0
        ? `nothing of ${name} is declared in Kubernetes any more: the API changes it`
        : `the EdgeNode ${name} in Kubernetes declares its ${names.join(", ")}`;
    return this.#update(
      name,
      { ...fields, kubernetesNamespace },
      { actor, ifMatch: undefined, event: { reason: "NodeChanged", message } },
    );
  }

  /**
   * A node that waits may connect from now on. `publicKey`: only if that is its key. Throws `NOT_FOUND`, `STALE_ETAG`, and
   * `CONFLICT` when it was rejected, has waited for too long, or has another key.
   */
  async approve(
    name: string,
    { publicKey, ...change }: Change & { readonly publicKey?: string | undefined },
  ): Promise<Node> {
    const { actor, ifMatch } = change;
    const expected = await expectedVersion(ifMatch, `node ${name}`, () => this.#store.rowVersion(name));
    const message = `${actor.name} approved ${name}: it may connect`;
    const event = eventAbout(name, { reason: "NodeApproved", message });
    await this.#store.approve(name, { actor, ifMatch: expected, publicKey, event });
    await this.#refresh(name);
    return this.get(name);
  }

  /** The identity of a node that waits is void. Throws `NOT_FOUND`, `STALE_ETAG`, and `CONFLICT` when it does not wait. */
  async reject(name: string, { actor, ifMatch }: Change): Promise<void> {
    const expected = await expectedVersion(ifMatch, `node ${name}`, () => this.#store.rowVersion(name));
    const message = `${actor.name} rejected ${name}: its key is void`;
    const event = eventAbout(name, { reason: "NodeRejected", message });
    await this.#store.reject(name, { actor, ifMatch: expected, event });
    await this.#refresh(name);
  }

  /** Voids the node's identity; this cannot be undone. Throws `NOT_FOUND`, `STALE_ETAG`. */
  async revoke(name: string, { actor, ifMatch }: Change): Promise<void> {
    const expected = await expectedVersion(ifMatch, `node ${name}`, () => this.#store.rowVersion(name));
    // Not atomic with the revocation, which ends the row's history: a change that slips in between is void with it.
    if (expected !== undefined && (await this.#store.rowVersion(name)) !== expected) {
      throw new SkerryError("STALE_ETAG", `node ${name} was changed since it was read, so it was not revoked`);
    }
    await this.#store.revoke(name, {
      actor,
      event: eventAbout(name, {
        reason: "NodeRevoked",
        message: `${name} was removed by ${actor.name}: its key is void`,
      }),
    });
    await this.#refresh(name);
  }

  async #update(
    name: string,
    fields: Parameters<NodeAdminStore["update"]>[1],
    { actor, ifMatch, event }: Change & { readonly event: Pick<NewEvent, "reason" | "message"> },
  ): Promise<Node> {
    const expected = await expectedVersion(ifMatch, `node ${name}`, () => this.#store.rowVersion(name));
    const { name: now = name } = fields;
    await this.#store.update(name, fields, { actor, ifMatch: expected, event: eventAbout(now, event) });
    await this.#refresh(name);
    return this.get(now);
  }

  #refresh(name: string): Promise<void> {
    const node = nodeByName(this.#fleet.snapshot(), name);
    return this.#fleet.refresh(node && { nodes: [node.id] });
  }

  #view(node: FleetNode, placements: Parameters<typeof nodeView>[1]): Node {
    return nodeView(node, placements, {
      now: this.#fleet.now(),
      wallNow: this.#clock.wallNow(),
      timings: this.#timings,
    });
  }
}

const eventAbout = (name: string, { reason, message }: Pick<NewEvent, "reason" | "message">): NewEvent => ({
  type: "Normal",
  reason,
  object: `node/${name}`,
  message,
});

/** Where a node is from now on: routing and spread follow it. */
const placeText = (place: Pick<NodePatch, "site" | "zone">): string => {
  const parts = Object.entries(place).flatMap(([field, value]) => (value === undefined ? [] : [`${field} ${value}`]));
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
};

const noSuchNode = (name: string): SkerryError => new SkerryError("NOT_FOUND", `there is no node ${name}`);
