import { versionKey } from "../../../shared/base/version-key.ts";
import type { ChangeCollector } from "./changes/change-set.ts";
import { isEqual, isEqualBut } from "./changes/equal.ts";
import { coverageOf, type Coverage, type FleetKeys } from "./changes/fleet-keys.ts";
import type { FleetState } from "./fleet-state.ts";
import {
  aliasKey,
  type FleetNode,
  type FleetPlacement,
  type FleetRows,
  type FleetSession,
  type RecordedNode,
  type RecordedPlacement,
  type RecordedSession,
} from "./types.ts";
import type { ValueMap } from "./value-map.ts";

/**
 * Makes the fleet, or the part of it that `keys` name, what the rows say, but for what was observed since. Rows that say
 * what is known change nothing.
 */
export function loadRows(
  state: FleetState,
  { rows, keys }: { readonly rows: FleetRows; readonly keys?: FleetKeys | undefined },
  change: ChangeCollector,
): void {
  const covers = coverageOf(keys);
  const nodes = new Set<string>();
  for (const row of rows.nodes) {
    nodes.add(row.id);
    setNode(state, mergeNode(state.nodes.get(row.id), row), change);
  }
  for (const id of keysBut(state.nodes, nodes)) {
    if (!covers.node(id)) continue;
    state.nodes.delete(id);
    change.nodes.add(id);
  }
  loadPlacements(state, rows.placements, { change, covers });
  const deployments = new Map(rows.deployments.map((row) => [row.name, row]));
  replace(state.deployments, deployments, { changed: change.deployments, isCovered: covers.deployment });
  const versions = new Map(rows.versions.map((row) => [versionKey(row.model, row.version), row]));
  const ofModel = (separator: string) => (key: string) => covers.model(key.slice(0, key.lastIndexOf(separator)));
  replace(state.versions, versions, { changed: change.versions, isCovered: ofModel(":") });
  const aliases = new Map(rows.aliases.map(({ model, alias, version }) => [aliasKey(model, alias), version]));
  replace(state.aliases, aliases, { changed: change.aliases, isCovered: ofModel("@") });
  const byVersion = Map.groupBy(rows.aliases, ({ model, version }) => versionKey(model, version));
  const names = [...byVersion].map(([key, of]) => [key, of.map(({ alias }) => alias).toSorted()] as const);
  const aliasesOf = new Map<string, readonly string[]>(names);
  replace(state.aliasesOf, aliasesOf, { changed: change.versions, isCovered: ofModel(":") });
}

/** Takes over what other replicas recorded of their sessions, and of themselves, since the rows were loaded. */
export function loadLiveness(state: FleetState, sessions: readonly RecordedSession[], change: ChangeCollector): void {
  for (const { nodeId, session: recorded, load } of sessions) {
    const node = state.nodes.get(nodeId);
    if (!node?.session || recorded.epoch < node.session.epoch) continue;
    setNode(state, mergeNode(node, { ...node, session: recorded, load }), change);
  }
}

/** These change all the time, and no plan, route or desired document depends on them but through a clock. */
const SIGNS_OF_LIFE = ["lastSeen", "ownerSeen"] as const satisfies readonly (keyof FleetSession)[];

function setNode(state: FleetState, node: FleetNode, change: ChangeCollector): void {
  const before = state.nodes.get(node.id);
  if (before && isEqual(before, node)) return;
  state.nodes.set(node.id, node);
  if (!before || !isEqualBut(before, node, ["session", "load", "observed"]) || !isSameSession(before, node))
    change.nodes.add(node.id);
}

function isSameSession({ session: a }: FleetNode, { session: b }: FleetNode): boolean {
  return a === undefined || b === undefined ? a === b : isEqualBut(a, b, SIGNS_OF_LIFE);
}

/**
 * What this replica observed of a session counts while the row names the same session and the same owner, or is older than
 * the session. In everything else the row is right: another owner, a newer session, a node of somebody else.
 */
function mergeNode(known: FleetNode | undefined, row: RecordedNode): FleetNode {
  const ours = known?.observed && known.session;
  const isOlder = ours && (row.session?.epoch ?? 0) < ours.epoch;
  const isOurs = ours && row.session?.epoch === ours.epoch && row.session.replica === ours.replica;
  if (!isOlder && !isOurs) return { ...row, observed: undefined };
  return {
    ...row,
    capabilities: row.capabilities ?? known.capabilities,
    session: {
      ...ours,
      announced: row.session?.announced,
      disconnects: newestOf(ours.disconnects, row.session?.disconnects),
    },
    observed: known.observed,
    load: known.load,
  };
}

/** What another owner recorded may be newer; what this one did comes back with a time that is rounded. */
const newestOf = (known: FleetSession["disconnects"], row: FleetSession["disconnects"]): FleetSession["disconnects"] =>
  row === undefined || (known !== undefined && (known.score === row.score || known.at >= row.at)) ? known : row;

function loadPlacements(
  state: FleetState,
  rows: FleetRows["placements"],
  { change, covers }: { readonly change: ChangeCollector; readonly covers: Coverage },
): void {
  const ids = new Set<string>();
  for (const row of rows) {
    ids.add(row.id);
    const known = state.placements.get(row.id);
    const placement = mergePlacement(known, row);
    if (known && isEqual(known, placement)) continue;
    state.setPlacement(placement);
    change.placements.set(row.id, row.nodeId);
  }
  for (const id of keysBut(state.placements, ids)) {
    const nodeId = state.placements.get(id)?.nodeId ?? "";
    if (!covers.node(nodeId)) continue;
    change.placements.set(id, nodeId);
    state.deletePlacement(id);
  }
}

/**
 * A report is written to Postgres first and to memory second, so a row read in between may be older than memory:
 * of the same generation, the later state wins.
 */
function mergePlacement(known: FleetPlacement | undefined, row: RecordedPlacement): FleetPlacement {
  const recorded = { ...row, progress: undefined, progressSince: row.stateSince };
  if (!known || known.generation !== row.generation) return recorded;
  if (known.stateSince < row.stateSince && known.state !== row.state) return recorded;
  const { state, stateSince, failure, progress, progressSince, rssMiB, warmUs, sharing, limitMiB, measuredMiB, host } =
    known;
  const measured = { rssMiB, warmUs, sharing, limitMiB, measuredMiB, host };
  return { ...row, state, stateSince, failure, progress, progressSince, ...measured };
}

/** Makes what `isCovered` of `map` equal to `rows`; an entry of equal value stays the same object. */
function replace<Value>(
  map: ValueMap<Value>,
  rows: ReadonlyMap<string, Value>,
  { changed, isCovered }: { readonly changed: Set<string>; readonly isCovered: (key: string) => boolean },
): void {
  for (const [key, row] of rows) {
    const known = map.get(key);
    if (known !== undefined && isEqual(known, row)) continue;
    map.set(key, row);
    changed.add(key);
  }
  for (const key of keysBut(map, rows)) {
    if (!isCovered(key)) continue;
    map.delete(key);
    changed.add(key);
  }
}

const keysBut = (map: { keys(): Iterable<string> }, wanted: { has(key: string): boolean }): readonly string[] =>
  [...map.keys()].filter((key) => !wanted.has(key));
