import { toInstant } from "../../../shared/api/v1/common.ts";
import type { Node } from "../../../shared/api/v1/nodes/nodes.ts";
import { isOverdue, waitsFor } from "../../core/fleet/drains.ts";
import { lastHeard, nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import { pushRateAt } from "../../core/fleet/push-rate.ts";
import { quarantineOf } from "../../core/fleet/versions/quarantine.ts";
import type { FleetLoad, FleetNode, FleetPlacement, NodeDrain } from "../../core/fleet/types.ts";

export interface ViewTime {
  /** The fleet's clock, in ms. */
  readonly now: number;
  /** The calendar at the same moment, ms since 1970. */
  readonly wallNow: number;
}

/** A node as the API shows it. `placements`: all that stand on it, in any state. */
export function nodeView(
  node: FleetNode,
  placements: readonly FleetPlacement[],
  time: ViewTime & { readonly timings: NodeTimings },
): Node {
  const { now, wallNow, timings } = time;
  const heardAt = lastHeard(node);
  const quarantine = quarantineOf(node, now);
  const { waiting } = node;
  const lastSeenAgeMs = heardAt === undefined ? null : age(now, heardAt);
  return {
    name: node.name,
    id: node.id,
    kind: node.kind,
    site: node.site,
    zone: node.zone,
    labels: { ...node.labels },
    state: nodeState(node, now, timings),
    cordoned: node.cordoned,
    draining: node.draining,
    drain: node.draining && node.drain ? drainView(node.drain, placements, time) : null,
    lastSeen: lastSeenAgeMs === null ? null : toInstant(wallNow - lastSeenAgeMs),
    lastSeenAgeMs,
    epoch: node.session?.epoch ?? 0,
    agentVersion: node.session?.agentVersion ?? null,
    capabilities: node.capabilities ?? null,
    load: node.load ? loadView(node.load, now) : null,
    quarantine: quarantine ? { leftMs: age(quarantine.until, now), disconnects: quarantine.disconnects } : null,
    placements: placements.toSorted(byModel).map((placement) => ({
      placementId: placement.id,
      deployment: placement.deployment ?? "",
      model: placement.model,
      version: placement.version,
      state: placement.state,
      stateAgeMs: age(now, placement.stateSince),
      host: placement.host ?? null,
      variant: placement.explain.variant?.name ?? null,
    })),
    approval: waiting
      ? { publicKey: waiting.publicKey, from: waiting.from, expiresAt: toInstant(waiting.until) }
      : null,
    createdAt: toInstant(node.createdAt),
    ...(node.kubernetesNamespace !== undefined && { managedBy: "kubernetes" }),
  };
}

function drainView(drain: NodeDrain, left: readonly FleetPlacement[], { now, wallNow }: ViewTime): Node["drain"] {
  return {
    deadline: toInstant(wallNow + drain.deadline - now),
    leftMs: age(drain.deadline, now),
    overdue: isOverdue({ drain }, left, now),
    atDeadline: drain.removes ? "remove" : "wait",
    waitsFor: [...waitsFor(left)],
  };
}

/** What a selector over nodes may name: its labels, and kind, site, zone and name, which win over a label of that name. */
export const nodeLabels = (
  node: Pick<Node, "labels" | "kind" | "site" | "zone" | "name">,
): Readonly<Record<string, string>> => ({
  ...node.labels,
  kind: node.kind,
  site: node.site,
  zone: node.zone,
  name: node.name,
});

function loadView(load: FleetLoad, now: number): NonNullable<Node["load"]> {
  const { cpuPct, memFreeMiB, diskFreeMiB, rttMs, rif, streams = [] } = load;
  const pushBytesPerMs = pushRateAt(load, now) ?? null;
  return {
    cpuPct,
    memFreeMiB,
    diskFreeMiB,
    rttMs,
    rif,
    pushBytesPerMs,
    streams: [...streams],
    ageMs: age(now, load.at),
  };
}

/** Whole milliseconds since `at`; a fact read from a faster clock is not from the future. */
export const age = (now: number, at: number): number => Math.max(0, Math.round(now - at));

const byModel = (a: FleetPlacement, b: FleetPlacement): number =>
  a.model === b.model ? b.version - a.version : a.model < b.model ? -1 : 1;
