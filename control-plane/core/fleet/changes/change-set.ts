import { versionKey } from "../../../../shared/base/version-key.ts";
import type { Fleet } from "../types.ts";

/**
 * What an event changed, of what plans, routes and desired documents may depend on. A sign of life, a load figure or a
 * download's progress is in none of it.
 */
export interface ChangeSet {
  /** Ids. */
  readonly nodes: ReadonlySet<string>;
  /** Id → id of its node. */
  readonly placements: ReadonlyMap<string, string>;
  /** Names. */
  readonly deployments: ReadonlySet<string>;
  /** By `versionKey`; also those whose aliases changed. */
  readonly versions: ReadonlySet<string>;
  /** By `aliasKey`. */
  readonly aliases: ReadonlySet<string>;
}

export class ChangeCollector implements ChangeSet {
  readonly nodes = new Set<string>();
  readonly placements = new Map<string, string>();
  readonly deployments = new Set<string>();
  readonly versions = new Set<string>();
  readonly aliases = new Set<string>();
}

export const isEmptyChange = ({ nodes, placements, deployments, versions, aliases }: ChangeSet): boolean =>
  nodes.size + placements.size + deployments.size + versions.size + aliases.size === 0;

/** Ids of the nodes whose desired documents may differ after `change`. */
export function documentsTouched(fleet: Fleet, change: ChangeSet): ReadonlySet<string> {
  const touched = new Set([...change.nodes, ...change.placements.values()]);
  if (change.deployments.size + change.versions.size === 0) return touched;
  for (const { nodeId, deployment, model, version } of fleet.placements.values()) {
    const isOfDeployment = deployment !== undefined && change.deployments.has(deployment);
    if (isOfDeployment || change.versions.has(versionKey(model, version))) touched.add(nodeId);
  }
  return touched;
}
