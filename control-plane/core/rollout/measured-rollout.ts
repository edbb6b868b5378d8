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

/** The rollout of a deployment while its present wave is measured: the new version answers, and has time to prove itself. */
export function measuredRollout(deployment: FleetDeployment): MeasuredRollout | undefined {
  const rollout = runningRollout(deployment);
  if (!rollout) return undefined;
  const { number, record } = rollout;
  const { phase, resumes, wave, from, to, bakeSeconds, strategy } = record;
  const isBaking = phase === "baking" || (phase === "paused" && resumes === "baking");
  if (!isBaking || bakeSeconds === 0) return undefined;
  return { deployment: deployment.name, rollout: number, wave, old: from, new: to, copies: strategy === "shadow" };
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
