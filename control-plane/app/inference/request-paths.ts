import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { FleetNode } from "../../core/fleet/types.ts";
import type { SessionRegistry } from "../node-sessions/node-session.ts";
import type { PeerLinks } from "../peers/peer-links.ts";
import type { RequestPath } from "./request-path.ts";

interface Parts {
  readonly registry: SessionRegistry;
  readonly links: Pick<PeerLinks, "to" | "all">;
  readonly timings: NodeTimings;
}

/** Finds the way to a node, wherever its session is. */
export class RequestPaths {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Undefined when no request can be sent to the node from here. */
  to(node: FleetNode, now: number): RequestPath | undefined {
    const { registry, links, timings } = this.#parts;
    if (registry.isRoutable(node, now, timings)) return registry.get(node.id);
    const replica = node.session?.replica;
    if (replica === undefined || registry.get(node.id) || nodeState(node, now, timings) !== "ready") return undefined;
    const link = links.to(replica);
    return link?.inference && link;
  }

  /** Those on which requests may be under way. */
  inUse(): readonly RequestPath[] {
    const { registry, links } = this.#parts;
    return [...registry.withRequests(), ...links.all().filter(({ pending }) => pending.size > 0)];
  }
}
