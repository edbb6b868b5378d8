import type { RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { placementsOfDeployment } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetPlacement } from "../fleet/types.ts";
import { runningRollout } from "../fleet/versions/versions.ts";
import {
  addEvidence,
  NO_REQUESTS,
  type CountedEvidence,
  type GateEvidence,
  type RequestEvidence,
  type VersionEvidence,
} from "./gate/evidence.ts";
import type { MeasuredRollout } from "./gate/measured.ts";

/**
 * The rollout of a deployment while it is measured: the new version answers, or gets copies, and is given time to prove itself.
 * What it answers while the next wave gets ready is counted on for the wave that passed, which gave it its share.
 */
export function measuredRollout(deployment: FleetDeployment): MeasuredRollout | undefined {
  const rollout = runningRollout(deployment);
  if (!rollout) return undefined;
  const { number, record } = rollout;
  const { from, to, bakeSeconds, strategy } = record;
  const wave = answeringWave(record);
  if (wave === undefined || bakeSeconds === 0) return undefined;
  return { deployment: deployment.name, rollout: number, wave, old: from, new: to, copies: strategy === "shadow" };
}

/** The wave whose share of the requests the new version answers; undefined before the first one bakes. */
function answeringWave({ phase, resumes, wave, share, passed }: RolloutRecord): number | undefined {
  const present = phase === "paused" ? resumes : phase;
  if (present === "baking") return wave;
  // The only wave of `recreate` has its share while it loads, when nothing else is there to be compared with.
  const isNextOnItsWay = (present === "staging" || present === "switching") && wave > 1 && share > 0;
  return isNextOnItsWay ? (passed.at(-1)?.wave ?? wave - 1) : undefined;
}

/** What the requests say and what the replicas need, for each version. */
export function gateEvidence(fleet: Fleet, rollout: MeasuredRollout, counted: CountedEvidence): GateEvidence {
  const ready = placementsOfDeployment(fleet, rollout.deployment).filter(({ state }) => state === "ready");
  const evidenceOf = (version: number, requests: RequestEvidence): VersionEvidence => {
    const replicas = ready.filter((placement) => placement.version === version);
    const known = replicas.flatMap((placement) => memoryOf(fleet, placement) ?? []);
    return {
      ...requests,
      replicas: replicas.length,
      memoryMiB: known.length === 0 ? undefined : known.reduce((sum, each) => sum + each, 0) / known.length,
    };
  };
  const { samples } = counted;
  // Both versions are asked the same in each comparison, so it does not matter who asked.
  const shadow = addEvidence(counted.new, { ...NO_REQUESTS, shadow: samples.new.shadow }).shadow;
  return {
    old: evidenceOf(rollout.old, counted.old),
    new: evidenceOf(rollout.new, { ...counted.new, shadow }),
    samples: samples.old.requests + samples.new.requests === 0 ? undefined : samples,
  };
}

/** Of its model host: from the newest load report of its node, else from when it was loaded. */
function memoryOf(fleet: Fleet, { id, nodeId, rssMiB }: FleetPlacement): number | undefined {
  const load = fleet.nodes.get(nodeId)?.load?.placements.find(({ placementId }) => placementId === id);
  return load === undefined || load.rssMiB === 0 ? rssMiB : load.rssMiB;
}
