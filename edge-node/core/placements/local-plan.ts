import type { DesiredState } from "../../../shared/protocol/desired.ts";
import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import { isSameStream } from "../streams/declared-streams.ts";
import type { LocalPlacement } from "./local-placement.ts";
import { wantedPlacements } from "./retention.ts";

/** What the plan depends on of a placement. */
export type PlacementSnapshot = Pick<LocalPlacement, "spec" | "state" | "hostState" | "notBefore">;

export interface LocalView {
  readonly desired: DesiredState;
  readonly retained: readonly DesiredPlacement[];
  readonly placements: ReadonlyMap<string, PlacementSnapshot>;
  /** Artifacts that are complete and verified on this disk. */
  readonly complete: ReadonlySet<string>;
  /** Artifacts to keep for a way back, newest first. */
  readonly previous: readonly string[];
  readonly now: number;
}

/** One thing to do. The executor holds one effect for each kind. */
export type LocalStep =
  /** Take up a placement, or the new word about one: another generation, other limits. */
  | { readonly kind: "adopt"; readonly placement: DesiredPlacement }
  /** Its bytes are not complete here: say so, and a transfer will be offered. */
  | { readonly kind: "await-transfer"; readonly placement: DesiredPlacement }
  /** Its bytes are here. */
  | { readonly kind: "stage"; readonly placement: DesiredPlacement }
  | { readonly kind: "start-host"; readonly placement: DesiredPlacement }
  | { readonly kind: "stop-host"; readonly placement: DesiredPlacement; readonly why: string }
  | { readonly kind: "forget"; readonly placement: DesiredPlacement };

export interface LocalPlan {
  readonly steps: readonly LocalStep[];
  /** Artifacts whose files stay; all others may be deleted. Sorted. */
  readonly keep: readonly string[];
  /** When to plan again if nothing happens before; undefined: never. */
  readonly wakeAt: number | undefined;
}

/**
 * What this node has to do, from what it should hold and what it holds. Pure: the same view gives the same plan, and a
 * view that needs nothing gives no steps. A placement whose host is changing is left alone until that has ended.
 */
export function planLocal(view: LocalView): LocalPlan {
  const ready = new Set([...view.placements].filter(([, { state }]) => state === "ready").map(([id]) => id));
  const wanted = wantedPlacements(view.desired, view.retained, ready).toSorted(byId);
  const wantedIds = new Set(wanted.map(({ placementId }) => placementId));
  const unwanted = [...view.placements.values()].filter(({ spec }) => !wantedIds.has(spec.placementId));
  const steps = [
    ...unwanted.toSorted((a, b) => byId(a.spec, b.spec)).flatMap(leave),
    ...wanted.flatMap((placement) => approach(placement, view)),
  ];
  const waits = wanted.flatMap(({ placementId }) => {
    const notBefore = view.placements.get(placementId)?.notBefore ?? 0;
    return notBefore > view.now && notBefore < Infinity ? [notBefore] : [];
  });
  return { steps, keep: artifactsToKeep(wanted, view), wakeAt: waits.length > 0 ? Math.min(...waits) : undefined };
}

const byId = (a: DesiredPlacement, b: DesiredPlacement): number => (a.placementId < b.placementId ? -1 : 1);

function leave({ spec, hostState }: PlacementSnapshot): LocalStep[] {
  switch (hostState) {
    case "none":
      return [{ kind: "forget", placement: spec }];
    case "stopping":
      return [];
    case "starting":
    case "running":
      return [{ kind: "stop-host", placement: spec, why: "it is not wanted here any more" }];
  }
}

/** The next steps of a placement that is wanted: at most one, but for a change that needs nothing to end first. */
function approach(placement: DesiredPlacement, view: LocalView): LocalStep[] {
  const held = view.placements.get(placement.placementId);
  if (!held) return [{ kind: "adopt", placement }];
  if (held.hostState === "stopping" || held.spec.generation > placement.generation) return [];
  const hasHost = held.hostState !== "none";
  if (held.spec.artifact !== placement.artifact && hasHost)
    return [{ kind: "stop-host", placement: held.spec, why: "it now names another artifact" }];
  if (!isSame(held.spec, placement)) return [{ kind: "adopt", placement }];
  if (placement.want === "hold" && hasHost) return [{ kind: "stop-host", placement, why: "it is to be held only" }];
  return hasHost ? [] : rise(placement, held, view);
}

/** One state closer to `ready`, or to `staged` when it is held. */
function rise(
  placement: DesiredPlacement,
  { state, notBefore }: PlacementSnapshot,
  { complete, now }: LocalView,
): LocalStep[] {
  const isHere = complete.has(placement.artifact);
  const bytes: LocalStep = isHere ? { kind: "stage", placement } : { kind: "await-transfer", placement };
  switch (state) {
    case "offered":
    case "downloading":
    case "verifying":
      return isHere ? [bytes] : []; // else a transfer is waited for, or at work
    case "failed":
      return now >= notBefore ? [bytes] : [];
    case "draining":
      return [bytes]; // its host has gone, and meanwhile it is wanted again, or still held
    case "staged":
      if (!isHere) return [bytes];
      return placement.want === "serve" && now >= notBefore ? [{ kind: "start-host", placement }] : [];
    // None of these is without a host.
    case "loading":
    case "warming":
    case "ready":
    case "gone":
      return [];
  }
}

function artifactsToKeep(wanted: readonly DesiredPlacement[], { placements, previous }: LocalView): readonly string[] {
  const used = [...placements.values()]
    .filter(({ hostState }) => hostState !== "none")
    .map(({ spec }) => spec.artifact);
  return [...new Set([...wanted.map(({ artifact }) => artifact), ...used, ...previous])].toSorted();
}

function isSame(a: DesiredPlacement, b: DesiredPlacement): boolean {
  return (
    a.generation === b.generation &&
    a.artifact === b.artifact &&
    a.want === b.want &&
    a.residency === b.residency &&
    a.standby === b.standby &&
    a.deployment === b.deployment &&
    a.model === b.model &&
    a.version === b.version &&
    (a.aliases ?? []).join() === (b.aliases ?? []).join() &&
    a.release?.signature === b.release?.signature &&
    a.release?.publicKey === b.release?.publicKey &&
    a.release?.counter === b.release?.counter &&
    a.release?.floor === b.release?.floor &&
    isSameStreams(a.streams, b.streams) &&
    a.limits.memMiB === b.limits.memMiB &&
    a.limits.memIsEstimate === b.limits.memIsEstimate &&
    a.limits.maxBatch === b.limits.maxBatch &&
    a.limits.maxDelayUs === b.limits.maxDelayUs &&
    a.limits.isolation === b.limits.isolation &&
    a.limits.rowsAreIndependent === b.limits.rowsAreIndependent &&
    a.limits.queue === b.limits.queue &&
    a.limits.timeoutMs === b.limits.timeoutMs
  );
}

const isSameStreams = (a: DesiredPlacement["streams"] = [], b: DesiredPlacement["streams"] = []): boolean =>
  a.length === b.length && a.every((stream, i) => stream.name === b[i]?.name && isSameStream(stream, b[i]));

/** A step in English, for logs and tests. */
export function describeStep(step: LocalStep): string {
  const { placementId, model, version } = step.placement;
  const name = `${placementId} (${model}:${version})`;
  switch (step.kind) {
    case "adopt":
      return `adopt ${name}`;
    case "await-transfer":
      return `await the bytes of ${name}`;
    case "stage":
      return `stage ${name}`;
    case "start-host":
      return `start ${name}`;
    case "stop-host":
      return `stop ${name}: ${step.why}`;
    case "forget":
      return `forget ${name}`;
  }
}
