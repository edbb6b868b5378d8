import type { Fleet, FleetDeployment } from "../../core/fleet/types.ts";
import type { Verdict } from "../../core/rollout/advance.ts";
import { judge } from "../../core/rollout/gate/judge.ts";
import { gateEvidence, measuredRollout } from "../../core/rollout/measured-rollout.ts";
import type { EvidenceReports } from "./evidence-reports.ts";

/** What the gate of a rollout says by what all control planes have counted; undefined while it measures nothing. */
export function gateVerdict(
  reports: EvidenceReports,
  fleet: Fleet,
  { deployment, phaseMs }: { readonly deployment: FleetDeployment; readonly phaseMs: number },
): Verdict | undefined {
  const measured = measuredRollout(deployment);
  const record = deployment.rollout?.record;
  if (!measured || !record) return undefined;
  const counted = reports.of(measured);
  if (!counted) return { verdict: "more", findings: record.findings };
  const { gate, share } = record;
  const about = { waitedMs: phaseMs, comparesAnswers: measured.copies, share };
  return judge(gate, gateEvidence(fleet, measured, counted), about);
}
