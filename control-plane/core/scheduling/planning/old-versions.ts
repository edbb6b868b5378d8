import { nodeKind, type NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import type { FleetPlacement } from "../../fleet/types.ts";
import { candidateOf } from "../candidates/candidate-list.ts";
import type { Candidate, PlacementRequest } from "../candidates/candidate.ts";
import { fitsDisk } from "../filters/fits-disk.ts";
import { residencyFilter } from "../filters/residency.ts";
import { STATIC_FILTERS } from "../profile.ts";
import { firstRefusal } from "../candidates/rank.ts";
import { isOfNeed } from "../needs/variant-need.ts";

/** A new replica that is on its way for longer than this keeps no old one elsewhere waiting, in ms. */
const PATIENCE_MS = 10 * 60_000;
/** Share of the wanted replicas that may be without a version at once where two do not fit; one always may. */
const BREAK_SHARE = 0.1;

/** States of a replica whose bytes are on their way. */
const COMING: readonly FleetPlacement["state"][] = ["offered", "downloading", "verifying"];

interface UpdateInput {
  readonly need: PlacementRequest;
  /** All wanted placements of the deployment, of any version. */
  readonly placements: readonly FleetPlacement[];
  readonly wanted: Readonly<Record<NodeKind, number>>;
  readonly candidates: readonly Candidate[];
  /** New replicas are about to be created. */
  readonly isPlacing: boolean;
}

interface Removal {
  readonly placement: FleetPlacement;
  readonly why: string;
  /** It leaves before its successor is ready. */
  readonly isBreak?: boolean;
}

export interface OldVersionsPlan {
  readonly remove: readonly Removal[];
  readonly waiting: readonly string[];
  readonly wakeAt: number | undefined;
}

/**
 * Which replicas of other versions than the wanted one leave. A replica answers when it is ready and its node is; a node
 * is served when a replica of any version answers there.
 *
 * 1. When enough new replicas answer, all old ones leave.
 * 2. Of several old ones on a node one stays: one that answers, of the version with the most that do.
 * 3. An old one that failed leaves; one that still starts leaves when enough nodes are served.
 * 4. One that answers leaves when no new replica is on its way to a node that is there, and the new version answers on its
 *    node, or its node is not needed to have as many served nodes as are wanted. So an absent node keeps no other one
 *    waiting, and no node is served less because of an update.
 * 5. Where both do not fit into a node's memory, the old one leaves when the bytes of the new one are there; where they do
 *    not fit on its disk, before they come. One at a time, or a tenth of the wanted replicas, and none while a new one
 *    loads, has failed, or comes to a node that an old one has left for it.
 */
export function replaceOldVersions(input: UpdateInput): OldVersionsPlan {
  const { need, placements } = input;
  const name = `${need.version.model}:${need.version.version}`;
  const old = placements.filter((placement) => !isOfNeed(placement, need));
  const view = new UpdateView(input);
  const waiting = [...view.held.filter((placement) => !view.diskHeld.includes(placement)), ...view.diskHeld].map(
    (placement) => waitingSentence(name, placement, view),
  );
  if (old.length === 0) return { remove: [], waiting, wakeAt: undefined };
  if (view.isCovered) return { remove: old.map((placement) => tookOver(placement, name)), waiting, wakeAt: undefined };

  const { best, extra } = oneForEachNode(old, view);
  const remove: Removal[] = extra.map((placement) => ({
    placement,
    why: `another version serves there until ${name} does`,
  }));
  const kept = best.filter((placement) => {
    const why = whyUseless(placement, name, view);
    if (why !== undefined) remove.push({ placement, why });
    return why === undefined;
  });
  if (view.isSettled) remove.push(...surplus(kept, name, view));
  remove.push(...breaks(kept, name, view));
  return { remove: withoutRepeats(remove), waiting, wakeAt: view.wakeAt };
}

/** What the rules ask about. */
class UpdateView {
  readonly wanted: UpdateInput["wanted"];
  readonly isCovered: boolean;
  /** No new replica is on its way to a node that is there. */
  readonly isSettled: boolean;
  readonly wakeAt: number | undefined;
  /** New replicas that wait until an old one has left their node. */
  readonly held: readonly FleetPlacement[];
  /** New replicas whose bytes wait until an old one has left their node. */
  readonly diskHeld: readonly FleetPlacement[];
  readonly fresh: readonly FleetPlacement[];
  readonly need: PlacementRequest;
  readonly #candidates: readonly Candidate[];
  readonly #placements: readonly FleetPlacement[];
  readonly #servedBy: Readonly<Record<NodeKind, ReadonlySet<string>>>;

  constructor({ need, placements, wanted, candidates, isPlacing }: UpdateInput) {
    this.need = need;
    this.wanted = wanted;
    this.#placements = placements;
    this.#candidates = candidates;
    this.fresh = placements.filter((placement) => isOfNeed(placement, need));
    this.held = this.fresh.filter((each) => this.isThere(each) && this.candidateOf(each)?.held.has(each.id) === true);
    this.diskHeld = this.fresh.filter(
      (each) => this.isThere(each) && this.candidateOf(each)?.diskHeld.has(each.id) === true,
    );
    this.#servedBy = { edge: this.#served("edge"), cloud: this.#served("cloud") };
    this.isCovered = nodeKind.options.every(
      (kind) => this.fresh.filter((each) => this.answers(each) && this.kindOf(each) === kind).length >= wanted[kind],
    );
    const deadlines = this.fresh
      .filter((each) => this.isThere(each) && !this.held.includes(each) && !this.diskHeld.includes(each))
      .flatMap((each) => {
        const stallsAt = this.candidateOf(each)?.stallTimes.get(each.id);
        return stallsAt === undefined ? [] : [Math.min(stallsAt, each.decidedAt + PATIENCE_MS)];
      })
      .filter((at) => at > need.now);
    this.isSettled = !isPlacing && deadlines.length === 0;
    this.wakeAt = deadlines.length > 0 ? Math.min(...deadlines) : undefined;
  }

  candidateOf = ({ nodeId }: FleetPlacement): Candidate | undefined => candidateOf(this.#candidates, nodeId);
  nodeOf = (placement: FleetPlacement): string => this.candidateOf(placement)?.node.name ?? placement.nodeId;
  kindOf = (placement: FleetPlacement): NodeKind | undefined => this.candidateOf(placement)?.node.kind;
  isThere = (placement: FleetPlacement): boolean => this.candidateOf(placement)?.state === "ready";
  answers = (placement: FleetPlacement): boolean => placement.state === "ready" && this.isThere(placement);

  isReplaced({ nodeId }: FleetPlacement): boolean {
    return this.fresh.some((each) => each.nodeId === nodeId && this.answers(each));
  }

  /** How many replicas of its version answer. */
  votes = ({ version }: FleetPlacement): number =>
    this.#placements.filter((each) => each.version === version && this.answers(each)).length;

  served = (kind: NodeKind): number => this.#servedBy[kind].size;

  #served(kind: NodeKind): ReadonlySet<string> {
    const answering = this.#placements.filter((each) => this.answers(each) && this.kindOf(each) === kind);
    return new Set(answering.map(({ nodeId }) => nodeId));
  }
}

function oneForEachNode(old: readonly FleetPlacement[], view: UpdateView) {
  const best: FleetPlacement[] = [];
  const extra: FleetPlacement[] = [];
  for (const there of Map.groupBy(old, ({ nodeId }) => nodeId).values()) {
    const [first, ...rest] = there.toSorted(
      (a, b) =>
        Number(b.state === "ready") - Number(a.state === "ready") ||
        Number(a.state === "failed") - Number(b.state === "failed") ||
        view.votes(b) - view.votes(a) ||
        b.version - a.version,
    );
    if (first) best.push(first);
    extra.push(...rest);
  }
  return { best, extra };
}

/** Why an old replica serves nothing where it is; undefined when it may, or may yet. */
function whyUseless(placement: FleetPlacement, name: string, view: UpdateView): string | undefined {
  const candidate = view.candidateOf(placement);
  if (!candidate) return "its node is gone";
  if (firstRefusal([residencyFilter], candidate, view.need))
    return `${candidate.node.name} no longer matches the deployment`;
  if (!view.isThere(placement) || placement.state === "ready") return undefined;
  if (placement.state === "failed")
    return `it failed there (${placement.failure?.code ?? "unknown"}) and ${name} takes its place`;
  const isEnough = nodeKind.options.every((kind) => view.served(kind) >= view.wanted[kind]);
  return isEnough || (view.isSettled && view.isReplaced(placement)) ? `${name} takes its place` : undefined;
}

/** Those whose nodes the new version serves, and those whose nodes need not be served. */
function surplus(old: readonly FleetPlacement[], name: string, view: UpdateView): Removal[] {
  const answering = old.filter(view.answers);
  const replaced = answering.filter((placement) => view.isReplaced(placement));
  const served = { edge: view.served("edge"), cloud: view.served("cloud") };
  const spare = answering
    .filter((placement) => !view.isReplaced(placement))
    .toSorted((a, b) => Number(staysPut(a, view)) - Number(staysPut(b, view)) || b.decidedAt - a.decidedAt)
    .filter((placement) => {
      const kind = view.kindOf(placement);
      const total = served.edge + served.cloud;
      if (!kind || served[kind] <= view.wanted[kind] || total <= view.wanted.edge + view.wanted.cloud) return false;
      served[kind] -= 1;
      return true;
    });
  return [...replaced, ...spare].map((placement) => tookOver(placement, name));
}

/** Its node matches the deployment and keeps what it has. */
function staysPut(placement: FleetPlacement, view: UpdateView): boolean {
  const candidate = view.candidateOf(placement);
  return candidate !== undefined && !candidate.node.draining && !firstRefusal(STATIC_FILTERS, candidate, view.need);
}

/** Old replicas in the way of new ones whose bytes are there, as many as may be missing at once. */
function breaks(old: readonly FleetPlacement[], name: string, view: UpdateView): Removal[] {
  const { fresh, held, diskHeld, wanted } = view;
  const heldIds = new Set(held.map(({ id }) => id));
  const inTheWay = ({ nodeId }: FleetPlacement): FleetPlacement | undefined =>
    old.find((placement) => placement.nodeId === nodeId);
  /** Its bytes are on their way to a disk without room for two versions: another one may have left for it. */
  const isBringing = (placement: FleetPlacement): boolean => {
    const candidate = view.candidateOf(placement);
    if (!candidate || !COMING.includes(placement.state) || inTheWay(placement) !== undefined) return false;
    return firstRefusal([fitsDisk], candidate, view.need) !== undefined;
  };
  const interrupted = fresh.filter(
    (placement) =>
      view.isThere(placement) &&
      (isBringing(placement) || heldIds.has(placement.id)
        ? inTheWay(placement) === undefined
        : ["staged", "loading", "warming", "failed"].includes(placement.state)),
  );
  const allowed = Math.max(1, Math.floor(BREAK_SHARE * (wanted.edge + wanted.cloud))) - interrupted.length;
  const breaksFirst = view.need.deployment.spec.update?.breakFirst === true;
  const forMemory = breaksFirst
    ? `the deployment says that it leaves before ${name} loads`
    : `${name} does not fit beside it and loads when it has left`;
  const forDisk = `${name} does not fit on the disk beside it, and its bytes come when it has left`;
  const leaving = (successors: readonly FleetPlacement[], why: string): Removal[] =>
    successors.flatMap((successor) => {
      const placement = inTheWay(successor);
      return placement ? [{ placement, why, isBreak: true }] : [];
    });
  const ready = [
    ...leaving(
      held.filter(({ state }) => state === "staged"),
      forMemory,
    ),
    ...leaving(diskHeld, forDisk),
  ];
  return ready.slice(0, Math.max(0, allowed));
}

const tookOver = (placement: FleetPlacement, name: string): Removal => ({ placement, why: `${name} took over` });

function waitingSentence(name: string, placement: FleetPlacement, view: UpdateView): string {
  if (view.diskHeld.includes(placement))
    return `${name} comes to ${view.nodeOf(placement)} when the version there has left: both do not fit on its disk`;
  const breaksFirst = view.need.deployment.spec.update?.breakFirst === true;
  const cause = breaksFirst ? "the deployment breaks first" : "both do not fit into its memory";
  return `${name} loads on ${view.nodeOf(placement)} when the version there has left: ${cause}`;
}

const withoutRepeats = (removals: readonly Removal[]): readonly Removal[] => [
  ...new Map(removals.map((each) => [each.placement.id, each])).values(),
];
