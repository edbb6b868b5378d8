import { assertNever } from "../../../shared/base/assert-never.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import { ChangeCollector, type ChangeSet } from "./changes/change-set.ts";
import { isEqual } from "./changes/equal.ts";
import type { FleetEvent } from "./events.ts";
import type { FleetState } from "./fleet-state.ts";
import { loadLiveness, loadRows } from "./load-rows.ts";
import { CONFIRMED_HEARTBEATS_FOR_READY, isBidirectional } from "./node-status.ts";
import { afterDisconnect } from "./versions/quarantine.ts";
import { pushRateAfter, type PushRate } from "./push-rate.ts";
import { hasSameTrials, trialsAfter } from "./versions/trials.ts";
import { endedSince, errorsAfter } from "./versions/version-errors.ts";
import type { FleetLoad, FleetNode, FleetPlacement, SessionObservation } from "./types.ts";

/**
 * The only writer of the fleet in memory. Returns what changed of what a plan, a route or a node's desired document may
 * depend on; a mere sign of life or a load figure does not count. Stale input changes nothing and is no error.
 */
export function reduce(state: FleetState, event: FleetEvent): ChangeSet {
  const change = new ChangeCollector();
  apply(state, event, change);
  state.noteChange(change);
  return change;
}

function apply(state: FleetState, event: FleetEvent, change: ChangeCollector): void {
  switch (event.type) {
    case "rows-loaded":
      return loadRows(state, event, change);
    case "liveness-loaded":
      return loadLiveness(state, event.sessions, change);
    case "session-opened":
      return openSession(state, event, change);
    case "heartbeat-received":
      return observe(state, event, change, (observed) => ({
        lastSeen: event.at,
        confirmedHeartbeats: confirmedHeartbeats(observed.confirmedHeartbeats, event.confirmation),
      }));
    case "node-heard":
      return observe(state, event, change, (observed) =>
        observed.lastSeen >= event.at ? observed : { ...observed, lastSeen: event.at },
      );
    case "session-closed":
      return closeSession(state, event, change);
    case "capabilities-reported": {
      const node = ownNode(state, event);
      if (!node) return;
      state.nodes.set(node.id, { ...node, capabilities: event.capabilities });
      change.nodes.add(node.id);
      return;
    }
    case "load-reported": {
      const node = ownNode(state, event);
      if (node)
        state.nodes.set(node.id, { ...node, load: withErrors(withPushRate(event.load, node.load ?? {}), node, state) });
      return;
    }
    case "push-measured": {
      const node = ownNode(state, event);
      if (node?.load)
        state.nodes.set(node.id, { ...node, load: withPushRate(node.load, pushRateAfter(node.load, event)) });
      return;
    }
    case "placement-reported":
      return reportPlacement(state, event.nodeId, { report: event.report, at: event.at, change });
    default:
      assertNever(event);
  }
}

const withPushRate = (load: FleetLoad, { pushBytesPerMs, pushMeasuredAt }: PushRate): FleetLoad =>
  pushBytesPerMs === undefined ? load : { ...load, pushBytesPerMs, pushMeasuredAt };

/** What its own placements did since the report before; what it says of those of others counts for nobody. */
function withErrors(load: FleetLoad, node: FleetNode, state: FleetState): FleetLoad {
  const ended = endedSince(node.load?.placements ?? [], load.placements, (id) => {
    const placement = state.placements.get(id);
    return placement?.nodeId === node.id ? placement : undefined;
  });
  const errors = errorsAfter(node.load?.errors, ended, load.at);
  return errors === undefined ? load : { ...load, errors };
}

function confirmedHeartbeats(before: number, confirmation: "current" | "previous" | "stale"): number {
  if (confirmation === "previous") return before;
  return confirmation === "stale" ? 0 : Math.min(before + 1, CONFIRMED_HEARTBEATS_FOR_READY);
}

function openSession(
  state: FleetState,
  event: Extract<FleetEvent, { type: "session-opened" }>,
  change: ChangeCollector,
): void {
  const node = state.nodes.get(event.nodeId);
  if (!node || (node.session && node.session.epoch > event.epoch)) return;
  const { epoch, replica, agentVersion, capabilities, at } = event;
  const { announced, disconnects } = node.session ?? {};
  const session = {
    epoch,
    replica,
    agentVersion,
    open: true,
    openedAt: at,
    lastSeen: at,
    isReady: false,
    ownerSeen: at,
    announced,
    disconnects,
  };
  state.nodes.set(node.id, { ...node, capabilities, session, observed: { lastSeen: at, confirmedHeartbeats: 0 } });
  change.nodes.add(node.id);
}

/** The node, while the event is of its newest session and this replica holds or held that one. */
function ownNode(
  state: FleetState,
  event: { readonly nodeId: NodeId; readonly epoch: number },
): (FleetNode & { readonly observed: SessionObservation }) | undefined {
  const node = state.nodes.get(event.nodeId);
  if (!node?.observed || node.session?.epoch !== event.epoch) return undefined;
  return { ...node, observed: node.observed };
}

function observe(
  state: FleetState,
  event: { readonly nodeId: NodeId; readonly epoch: number },
  change: ChangeCollector,
  see: (observed: SessionObservation) => SessionObservation,
): void {
  const node = ownNode(state, event);
  if (!node) return;
  const observed = see(node.observed);
  if (observed === node.observed) return;
  const after = { ...node, observed };
  state.nodes.set(node.id, after);
  if (isBidirectional(after) !== isBidirectional(node)) change.nodes.add(node.id);
}

function closeSession(
  state: FleetState,
  event: Extract<FleetEvent, { type: "session-closed" }>,
  change: ChangeCollector,
): void {
  const node = ownNode(state, event);
  if (!node?.session?.open) return;
  const observed = { ...node.observed, lastSeen: Math.max(node.observed.lastSeen, event.at) };
  const disconnects = event.isDisconnect
    ? afterDisconnect(node.session.disconnects, event.at)
    : node.session.disconnects;
  state.nodes.set(node.id, { ...node, session: { ...node.session, open: false, disconnects }, observed });
  change.nodes.add(node.id);
}

function reportPlacement(
  state: FleetState,
  nodeId: NodeId,
  { report, at, change }: { report: PlacementReport; at: number; change: ChangeCollector },
): void {
  const placement = state.placements.get(report.placementId);
  if (!placement || placement.nodeId !== nodeId || placement.generation !== report.generation) return;
  // What the node has removed and is wanted has to come again.
  const reported = report.state === "gone" && placement.wanted !== "gone" ? "offered" : report.state;
  const isNews = placement.state !== reported;
  const after: FleetPlacement = {
    ...placement,
    state: reported,
    stateSince: isNews ? at : placement.stateSince,
    failure:
      report.state === "failed" ? { code: report.code ?? "HOST_CRASHED", detail: report.detail ?? "" } : undefined,
    progressSince: isNews || report.done !== placement.progress?.done ? at : placement.progressSince,
    progress:
      report.state === "downloading" && report.done !== undefined && report.total !== undefined
        ? { done: report.done, total: report.total }
        : undefined,
    rssMiB: report.rssMiB ?? placement.rssMiB,
    warmUs: report.warmUs ?? placement.warmUs,
    ...trialsAfter(placement, report),
  };
  // Nodes that return say what is known: a plan is kept only while the placements are the same objects.
  if (isEqual(placement, after)) return;
  state.setPlacement(after);
  if (isNews || !hasSameTrials(placement, after)) change.placements.set(placement.id, nodeId);
}
