import { assertNever } from "../../../shared/base/assert-never.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { PlacementReport } from "../../../shared/protocol/messages.ts";
import type { FleetEvent } from "./events.ts";
import { CONFIRMED_HEARTBEATS_FOR_READY } from "./node-status.ts";
import {
  aliasKey,
  versionKey,
  type Fleet,
  type FleetDeployment,
  type FleetNode,
  type FleetPlacement,
  type FleetRows,
  type FleetSession,
  type FleetVersion,
} from "./types.ts";

/** The one owner's view of the fleet. Everybody else sees `Fleet`. Entries are replaced, never changed. */
export interface MutableFleet extends Fleet {
  readonly nodes: Map<string, FleetNode>;
  readonly deployments: Map<string, FleetDeployment>;
  readonly versions: Map<string, FleetVersion>;
  readonly aliases: Map<string, number>;
  readonly aliasesOf: Map<string, readonly string[]>;
  readonly placements: Map<string, FleetPlacement>;
}

export const emptyFleet = (): MutableFleet => ({
  nodes: new Map(),
  deployments: new Map(),
  versions: new Map(),
  aliases: new Map(),
  aliasesOf: new Map(),
  placements: new Map(),
});

/**
 * The only writer of the fleet in memory. Returns whether something changed that a plan, a route or a node's desired
 * state may depend on; a mere sign of life or a load figure does not count. Stale input is a `false`, not an error.
 */
export function reduce(fleet: MutableFleet, event: FleetEvent): boolean {
  switch (event.type) {
    case "rows-loaded":
      return loadRows(fleet, event.rows);
    case "session-opened":
      return openSession(fleet, event);
    case "heartbeat-received":
      return updateSession(fleet, event, (session) => ({
        ...session,
        lastSeen: event.at,
        confirmedHeartbeats: confirmedHeartbeats(session.confirmedHeartbeats, event.acked),
      }));
    case "node-heard":
      return updateSession(fleet, event, (session) => ({ ...session, lastSeen: Math.max(session.lastSeen, event.at) }));
    case "session-closed":
      return updateSession(fleet, event, (session) => ({
        ...session,
        open: false,
        lastSeen: Math.max(session.lastSeen, event.at),
      }));
    case "load-reported": {
      const node = fleet.nodes.get(event.nodeId);
      if (node?.session?.epoch === event.epoch) fleet.nodes.set(node.id, { ...node, load: event.load });
      return false;
    }
    case "placement-reported":
      return reportPlacement(fleet, event.nodeId, { report: event.report, at: event.at });
    default:
      return assertNever(event);
  }
}

function confirmedHeartbeats(before: number, acked: "newest" | "late" | "old"): number {
  if (acked === "late") return before;
  return acked === "old" ? 0 : Math.min(before + 1, CONFIRMED_HEARTBEATS_FOR_READY);
}

function openSession(fleet: MutableFleet, event: Extract<FleetEvent, { type: "session-opened" }>): boolean {
  const node = fleet.nodes.get(event.nodeId);
  if (!node || (node.session && node.session.epoch > event.epoch)) return false;
  const { epoch, replica, agentVersion, capabilities, at } = event;
  fleet.nodes.set(node.id, {
    ...node,
    capabilities,
    session: { epoch, replica, agentVersion, open: true, lastSeen: at, confirmedHeartbeats: 0 },
  });
  return true;
}

/** Applies `change` when the event is of the present session. Plans depend on open and on readiness, not on `lastSeen`. */
function updateSession(
  fleet: MutableFleet,
  event: { readonly nodeId: NodeId; readonly epoch: number },
  change: (session: FleetSession) => FleetSession,
): boolean {
  const node = fleet.nodes.get(event.nodeId);
  if (!node?.session || node.session.epoch !== event.epoch) return false;
  const session = change(node.session);
  fleet.nodes.set(node.id, { ...node, session });
  return session.open !== node.session.open || session.confirmedHeartbeats !== node.session.confirmedHeartbeats;
}

function reportPlacement(
  fleet: MutableFleet,
  nodeId: NodeId,
  { report, at }: { report: PlacementReport; at: number },
): boolean {
  const placement = fleet.placements.get(report.placementId);
  if (!placement || placement.nodeId !== nodeId || placement.generation !== report.generation) return false;
  const changed = placement.state !== report.state;
  fleet.placements.set(placement.id, {
    ...placement,
    state: report.state,
    stateSince: changed ? at : placement.stateSince,
    failure:
      report.state === "failed" ? { code: report.code ?? "HOST_CRASHED", detail: report.detail ?? "" } : undefined,
    progress:
      report.state === "downloading" && report.done !== undefined && report.total !== undefined
        ? { done: report.done, total: report.total }
        : undefined,
    rssMiB: report.rssMiB ?? placement.rssMiB,
    warmUs: report.warmUs ?? placement.warmUs,
  });
  return changed;
}

function loadRows(fleet: MutableFleet, rows: FleetRows): boolean {
  const nodes = rows.nodes.map((row) => mergeNode(fleet.nodes.get(row.id), row));
  const placements = rows.placements.map((row) => mergePlacement(fleet.placements.get(row.id), row));
  refill(fleet.nodes, nodes, (node) => node.id);
  refill(fleet.placements, placements, (placement) => placement.id);
  refill(fleet.deployments, rows.deployments, (deployment) => deployment.name);
  refill(fleet.versions, rows.versions, (version) => versionKey(version.model, version.version));
  fleet.aliases.clear();
  for (const { model, alias, version } of rows.aliases) fleet.aliases.set(aliasKey(model, alias), version);
  fleet.aliasesOf.clear();
  for (const [key, aliases] of Map.groupBy(rows.aliases, ({ model, version }) => versionKey(model, version)))
    fleet.aliasesOf.set(key, aliases.map(({ alias }) => alias).toSorted());
  return true;
}

function refill<Key, Value>(map: Map<Key, Value>, values: readonly Value[], keyOf: (value: Value) => Key): void {
  map.clear();
  for (const value of values) map.set(keyOf(value), value);
}

/** The session in memory is fresher than its row, which is written in batches; a row of a higher epoch wins. */
function mergeNode(known: FleetNode | undefined, row: Omit<FleetNode, "load">): FleetNode {
  const session = known?.session && known.session.epoch >= (row.session?.epoch ?? 0) ? known.session : row.session;
  return { ...row, session, capabilities: row.capabilities ?? known?.capabilities, load: known?.load };
}

/**
 * A report is written to Postgres first and to memory second, so a row read in between may be older than memory:
 * of the same generation, the later state wins.
 */
function mergePlacement(known: FleetPlacement | undefined, row: Omit<FleetPlacement, "progress">): FleetPlacement {
  if (!known || known.generation !== row.generation) return { ...row, progress: undefined };
  if (known.stateSince < row.stateSince && known.state !== row.state) return { ...row, progress: undefined };
  const { state, stateSince, failure, progress, rssMiB, warmUs } = known;
  return { ...row, state, stateSince, failure, progress, rssMiB, warmUs };
}
