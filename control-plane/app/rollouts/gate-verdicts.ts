import type { Clock } from "../../../shared/base/clock.ts";
import type { GateFinding } from "../../../shared/api/v1/rollouts/gate.ts";
import type { Fleet, FleetDeployment } from "../../core/fleet/types.ts";
import { judge } from "../../core/rollout/gate/judge.ts";
import { isSameWave } from "../../core/rollout/gate/measured.ts";
import { watch, type Turn, type WatchLook } from "../../core/rollout/gate/watch.ts";
import type { Verdict } from "../../core/rollout/judged.ts";
import { gateEvidence, measuredRollout } from "../../core/rollout/measured-rollout.ts";
import type { EvidenceReports } from "./evidence-reports.ts";
import type { SampleRequests } from "./sample-requests.ts";

interface Parts {
  readonly reports: Pick<EvidenceReports, "of">;
  readonly samples: Pick<SampleRequests, "whyNone">;
  readonly clock: Pick<Clock, "now">;
}

/**
 * What the gates of rollouts say by what all control planes have counted. It remembers how far a version that has passed was
 * looked at: a new leader begins with what comes from then on.
 */
export class GateVerdicts {
  readonly #parts: Parts;
  /** By deployment, of versions that have passed. */
  readonly #turns = new Map<string, Turn>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Undefined while the rollout measures nothing. `phaseMs`: how long it has been in its phase. */
  of(
    fleet: Fleet,
    { deployment, phaseMs }: { readonly deployment: FleetDeployment; readonly phaseMs: number },
  ): Verdict | undefined {
    for (const name of this.#turns.keys()) if (!fleet.deployments.has(name)) this.#turns.delete(name);
    const measured = measuredRollout(deployment);
    const record = deployment.rollout?.record;
    if (!measured || !record) return undefined;
    const { reports, samples, clock } = this.#parts;
    const counted = reports.of(measured);
    if (!counted) return { verdict: "more", findings: record.findings };
    const { gate, share } = record;
    const about = { comparesAnswers: measured.copies, share };
    const evidenceOf: WatchLook["evidenceOf"] = (some) => gateEvidence(fleet, measured, some);
    const found = judge(gate, evidenceOf(counted), { waitedMs: phaseMs, ...about });
    if (found.verdict === "fail") return found;
    const hasPassed = record.phase !== "baking" || found.verdict === "pass";
    const worse = this.#watch({ wave: measured, counted, gate, about, evidenceOf, now: clock.now() }, hasPassed);
    if (worse.length > 0) {
      const others = found.findings.filter(({ check }) => worse.every((each) => each.check !== check));
      return { verdict: "fail", findings: [...worse, ...others] };
    }
    const why = samples.whyNone(measured);
    if (why === undefined) return found;
    const findings = found.findings.map((finding) =>
      finding.check === "requests" && finding.result === "more"
        ? { ...finding, sentence: `${finding.sentence}; ${why}` }
        : finding,
    );
    return { ...found, findings };
  }

  /** The checks that found the version worse since it passed. One that was watched once is watched on. */
  #watch(look: WatchLook, hasPassed: boolean): readonly GateFinding[] {
    const { deployment } = look.wave;
    const before = this.#turns.get(deployment);
    if (!hasPassed && !(before && isSameWave(before.wave, look.wave))) return [];
    const { worse, turn } = watch(before, look);
    this.#turns.set(deployment, turn);
    return worse;
  }
}
