import { versionKey } from "../../../../../shared/base/version-key.ts";
import type { ExplainRecord } from "../../../../../shared/api/v1/deployments/explain.ts";
import type { Fleet, FleetPlacement, FleetVersion } from "../../../fleet/types.ts";
import { memo } from "../../../memo.ts";
import { formatDuration } from "../../format.ts";

/** A version that is placed again so soon after it made room was sent away too early, in ms. */
const SOON_MS = 10 * 60_000;
/** For so long it then makes no room for one that is asked more, in ms. */
const HOLD_MS = 30 * 60_000;
/** A replica stays so long at least, in ms. */
const STAY_MS = 10 * 60_000;

/** When versions made room, on any node, by `versionKey`. It is stored, so that another leader knows it too. */
const evictions = memo((nodes: Fleet["nodes"]): ReadonlyMap<string, readonly number[]> => {
  const found = new Map<string, number[]>();
  for (const { history } of nodes.values()) {
    if (history === undefined) continue;
    for (const { model, version, evictedAt } of history) {
      if (evictedAt === undefined) continue;
      const key = versionKey(model, version);
      const known = found.get(key);
      if (known) known.push(evictedAt);
      else found.set(key, [evictedAt]);
    }
  }
  return found;
});

/** When a version last made room in the 10 minutes before `at`; undefined: it did not. */
export function evictedBefore(
  fleet: Fleet,
  { model, version }: Pick<FleetVersion, "model" | "version">,
  at: number,
): number | undefined {
  const recent = evictions(fleet.nodes)
    .get(versionKey(model, version))
    ?.filter((time) => time <= at && at - time < SOON_MS);
  return recent === undefined || recent.length === 0 ? undefined : Math.max(...recent);
}

/** Whether a replica makes no room for one that is asked more, at `now`: it is new, or came back soon after it had made room. */
export function isKept(fleet: Fleet, placement: FleetPlacement, now: number): boolean {
  const ageMs = now - placement.decidedAt;
  return ageMs < STAY_MS || (ageMs < HOLD_MS && evictedBefore(fleet, placement, placement.decidedAt) !== undefined);
}

/** The record of a placement that comes back soon says so. */
export function withThrashing(record: ExplainRecord, evictedAt: number | undefined, now: number): ExplainRecord {
  if (evictedAt === undefined || record.chosen.length === 0) return record;
  const sentence = `${record.sentence}; it made room for another deployment ${formatDuration(now - evictedAt)} ago, and now stays for ${formatDuration(HOLD_MS)}`;
  return { ...record, thrashing: true, sentence };
}
