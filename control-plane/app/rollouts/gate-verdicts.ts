import type { Fleet, FleetDeployment } from "../../core/fleet/types.ts";
import type { Verdict } from "../../core/rollout/advance.ts";
import { judge } from "../../core/rollout/gate/judge.ts";
import { gateEvidence, measuredRollout } from "../../core/rollout/measured-rollout.ts";
import type { EvidenceReports } from "./evidence-reports.ts";
import type { SampleRequests } from "./sample-requests.ts";

/** What the gate of a rollout says by what all control planes have counted; undefined while it measures nothing. */
export function gateVerdict(
  {
    reports,
    samples,
  }: { readonly reports: Pick<EvidenceReports, "of">; readonly samples: Pick<SampleRequests, "whyNone"> },
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
  const found = judge(gate, gateEvidence(fleet, measured, counted), about);
  const why = samples.whyNone(measured);
  if (why === undefined) return found;
  const findings = found.findings.map((finding) =>
    finding.check === "requests" && finding.result === "more"
      ? { ...finding, sentence: `${finding.sentence}; ${why}` }
      : finding,
  );
  return { ...found, findings };
}
