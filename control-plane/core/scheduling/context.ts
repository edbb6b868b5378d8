import type { ScoreWeights } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { NodeState } from "../../../shared/api/v1/nodes/nodes.ts";
import { nodeState, type NodeTimings } from "../fleet/node-status.ts";
import type { Fleet, FleetDeployment, FleetNode } from "../fleet/types.ts";
import { memo } from "../memo.ts";
import type { Pool } from "../scaling/pool.ts";
import type { ReplicaTargets } from "../scaling/replica-targets.ts";
import type { Hops } from "./hops.ts";
import { DEFAULT_PROFILE, withWeights, type Profile } from "./profile.ts";

/** What a plan depends on beside the fleet. */
export interface PlanContext {
  /** ms, the fleet's clock. */
  readonly now: number;
  readonly timings: NodeTimings;
  /** What made us plan, for the explain record: `deployment-changed`, `node-lost`, `periodic`. */
  readonly trigger: string;
  /** When this replica began to lead; for `lostMs` from then on it declares nobody lost. */
  readonly leaderSince?: number;
  /** What demand asks for; without it a deployment keeps the numbers that are recorded in its status. */
  readonly targets?: ReplicaTargets;
  /** Requests for deployments in a second, by their names; without it no replica makes room for one that is asked more. */
  readonly ratesPerS?: ReadonlyMap<string, number>;
  /** What requests for deployments lose between control planes, by their names; those that lose nothing are not in it. */
  readonly hops?: ReadonlyMap<string, Hops>;
  /** Pools of cloud nodes, which may bring nodes for replicas that have none. */
  readonly pools?: readonly Pool[];
  readonly profile?: Profile;
}

/** The profile that holds for a deployment. */
export function profileOf({ profile = DEFAULT_PROFILE }: PlanContext, { spec }: FleetDeployment): Profile {
  const { weights } = spec.placement;
  return weights === undefined ? profile : weighted(profile)(weights);
}

const weighted = memo((profile: Profile) => memo((weights: ScoreWeights) => withWeights(profile, weights)));

/** A new leader has not heard the nodes of the others yet: for a while it takes no silence for a loss. */
export function stateFor(node: FleetNode, { now, timings, leaderSince }: PlanContext): NodeState {
  const state = nodeState(node, now, timings);
  const isNewLeader = leaderSince !== undefined && now - leaderSince < timings.lostMs;
  return state === "lost" && isNewLeader ? "detached" : state;
}

const BRAKE_NODES = 5;
const BRAKE_PERCENT = 55;

/** From which nodes nothing moves, though they are lost. */
export interface Brake {
  /** Most of the whole fleet is lost. */
  readonly isOfFleet: boolean;
  /** From some nodes nothing moves. */
  readonly isOn: boolean;
  /** Equal for equal brakes. */
  readonly key: string;
  readonly holds: (node: FleetNode) => boolean;
  /** A sentence about the node's site, or the fleet; the same while the brake is. */
  readonly why: (node: FleetNode) => string;
}

/**
 * When more than 55 % of a fleet, or of the nodes at a site, is gone at once and these are at least five, the likelier fault
 * is ours or the network's, and moving everything would make it worse. Nothing is evacuated from there then.
 */
export const brakeOf = (fleet: Fleet, context: PlanContext): Brake => brakeFor(fleet.nodes)(context);

const brakeFor = memo((nodes: Fleet["nodes"]) =>
  memo((context: PlanContext): Brake => {
    const all = { known: 0, lost: 0 };
    const bySite = new Map<string, { known: number; lost: number }>();
    for (const node of nodes.values()) {
      if (node.session === undefined || node.revoked) continue;
      const site = bySite.get(node.site) ?? { known: 0, lost: 0 };
      bySite.set(node.site, site);
      const lost = Number(stateFor(node, context) === "lost");
      for (const counts of [all, site]) {
        counts.known += 1;
        counts.lost += lost;
      }
    }
    const isHeld = ({ known, lost }: typeof all): boolean => known >= BRAKE_NODES && 100 * lost > BRAKE_PERCENT * known;
    if (isHeld(all))
      return { isOfFleet: true, isOn: true, key: "all", holds: () => true, why: () => heldSentence("all nodes") };
    const sites = new Set([...bySite].filter(([, counts]) => isHeld(counts)).map(([site]) => site));
    return {
      isOfFleet: false,
      isOn: sites.size > 0,
      key: ["sites", ...[...sites].toSorted()].join("\n"),
      holds: ({ site }) => sites.has(site),
      why: ({ site }) => heldSentence(`the nodes of site ${site}`),
    };
  }),
);

const heldSentence = (which: string): string =>
  `more than ${BRAKE_PERCENT} % of ${which} are lost, so nothing is moved away from them; remove those that will not come back with \`skerry nodes rm\``;
