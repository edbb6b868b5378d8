import { isWanted, placementsOn, versionOf } from "../../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement, FleetVersion } from "../../fleet/types.ts";
import { targetVersion } from "../../fleet/versions/versions.ts";
import { heldDiskMiB } from "../needs/disk.ts";
import { reservedMiB } from "../needs/memory.ts";
import { heldOn } from "../planning/held.ts";

/** What the placements of a node are and take. */
export interface Holdings {
  /** What it holds, without placements that are to go. */
  readonly placements: readonly FleetPlacement[];
  /** Memory that its placements may use, in MiB: reserved by their limits, not by today's use. */
  readonly reservedMiB: number;
  /** The same by the name of the deployment. */
  readonly reservedBy: ReadonlyMap<string, number>;
  /** Streams that deployments with placements there declare, by the name of the deployment, as far as it declares any. */
  readonly streamsBy: ReadonlyMap<string, number>;
  /** Disk that its placements hold, by the name of the deployment, in MiB. */
  readonly diskBy: ReadonlyMap<string, number>;
  /** Ids of placements that are loaded when an older version has left. */
  readonly held: ReadonlySet<string>;
}

const NONE: ReadonlyMap<string, number> = new Map();

/** What is known of the placements that are on a node. */
interface Known {
  /** Of the fleet in which it was looked at last. */
  parts: Parts | undefined;
  readonly of: readonly unknown[];
  readonly holdings: Holdings;
  /** None of them has to come to be ready. */
  readonly isAtRest: boolean;
}

/** By the placements that are on a node: most nodes hold the same from one plan to the next. */
const known = new WeakMap<readonly FleetPlacement[], Known>();

const NOTHING: Known = {
  parts: undefined,
  of: [],
  isAtRest: true,
  holdings: {
    placements: [],
    held: new Set(),
    diskBy: new Map(),
    streamsBy: NONE,
    reservedBy: new Map(),
    reservedMiB: 0,
  },
};

const AT_REST: ReadonlySet<FleetPlacement["state"]> = new Set(["ready", "failed", "gone", "draining"]);

/** What a node holds. The same object as for another fleet in which nothing of it is different. */
export function holdingsOf(fleet: Fleet, node: FleetNode): Pick<Known, "holdings" | "isAtRest"> {
  const present = placementsOn(fleet, node.id);
  if (present.length === 0) return NOTHING;
  const entry = known.get(present);
  const parts = partsOf(fleet);
  const isAsBefore = entry?.parts === parts && entry.of[0] === node.capabilities;
  if (entry && (isAsBefore || isStill(entry.of, fleet, { node, present }))) {
    entry.parts = parts;
    return entry;
  }
  const held = heldOn(fleet, node);
  const reservedBy = reservations(fleet, node, held);
  const made: Known = {
    parts,
    of: holdingsDependOn(fleet, { node, present }),
    isAtRest: present.every(({ state }) => AT_REST.has(state)),
    holdings: {
      placements: present.filter(isWanted),
      held,
      diskBy: diskByDeployment(fleet, present),
      streamsBy: streamsByDeployment(fleet, present),
      reservedBy,
      reservedMiB: reservedBy.values().reduce((sum, each) => sum + each, 0),
    },
  };
  known.set(present, made);
  return made;
}

interface Present {
  readonly node: FleetNode;
  readonly present: readonly FleetPlacement[];
}

/** What of a fleet holdings are computed from, but for the capabilities of nodes: the same object while all of it is. */
type Parts = Pick<Fleet, "placements" | "deployments" | "versions" | "aliases">;

let newest: Parts | undefined;

function partsOf({ placements, deployments, versions, aliases }: Fleet): Parts {
  const isSame =
    newest?.placements === placements &&
    newest.deployments === deployments &&
    newest.versions === versions &&
    newest.aliases === aliases;
  if (!newest || !isSame) newest = { placements, deployments, versions, aliases };
  return newest;
}

/** Everything but the placements that the holdings of a node are computed from. */
const holdingsDependOn = (fleet: Fleet, { node, present }: Present): readonly unknown[] => [
  node.capabilities,
  ...present.flatMap((placement) => {
    const deployment = deploymentOf(fleet, placement);
    return [deployment, deployment && targetVersion(fleet, deployment), versionIn(fleet, placement)];
  }),
];

/** Whether it is what `holdingsDependOn` says. It is asked about all nodes in each plan, so it makes no list. */
function isStill(of: readonly unknown[], fleet: Fleet, { node, present }: Present): boolean {
  if (of[0] !== node.capabilities) return false;
  let at = 1;
  for (const placement of present) {
    const deployment = deploymentOf(fleet, placement);
    if (of[at] !== deployment || of[at + 2] !== versionIn(fleet, placement)) return false;
    if (of[at + 1] !== (deployment && targetVersion(fleet, deployment))) return false;
    at += 3;
  }
  return true;
}

const deploymentOf = (fleet: Fleet, { deployment = "" }: FleetPlacement): FleetDeployment | undefined =>
  fleet.deployments.get(deployment);

const versionIn = (fleet: Fleet, { model, version }: FleetPlacement): FleetVersion | undefined =>
  versionOf(fleet, model, version);

/**
 * What each deployment may use on a node, in MiB. A placement that leaves counts until the node says that it is gone. A
 * version that is held until another one has left uses the same memory after it.
 */
function reservations(fleet: Fleet, node: FleetNode, held: ReadonlySet<string>): ReadonlyMap<string, number> {
  const present = placementsOn(fleet, node.id).filter((placement) => isWanted(placement) || placement.state !== "gone");
  const byDeployment = Map.groupBy(present, ({ deployment }) => deployment ?? "");
  const sum = (placements: readonly FleetPlacement[]): number =>
    placements.reduce((total, placement) => total + reservedMiB(fleet, placement), 0);
  return new Map(
    [...byDeployment].map(([deployment, placements]) => {
      const later = placements.filter(({ id }) => held.has(id));
      const now = placements.filter(({ id }) => !held.has(id));
      return [deployment, Math.max(sum(later), sum(now))] as const;
    }),
  );
}

function diskByDeployment(fleet: Fleet, present: readonly FleetPlacement[]): ReadonlyMap<string, number> {
  const byDeployment = new Map<string, number>();
  for (const placement of present) {
    const name = placement.deployment ?? "";
    byDeployment.set(name, (byDeployment.get(name) ?? 0) + heldDiskMiB(fleet, placement));
  }
  return byDeployment;
}

function streamsByDeployment(fleet: Fleet, present: readonly FleetPlacement[]): ReadonlyMap<string, number> {
  const names = new Set(present.map(({ deployment = "" }) => deployment));
  const declared = [...names].map((name) => [name, fleet.deployments.get(name)?.spec.streams?.length ?? 0] as const);
  return declared.some(([, streams]) => streams > 0) ? new Map(declared) : NONE;
}
