import { msOfInstant } from "../../../shared/api/v1/common.ts";
import type { GateFinding } from "../../../shared/api/v1/rollouts/gate.ts";
import type { RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { isEqual } from "../fleet/changes/equal.ts";
import { rollBack, type Author, type RolloutChange } from "./change.ts";

/** How old the figures of the gate in a record may be while new ones come, in ms. */
const FIGURES_MS = 5_000;

/** What a gate says of the new version. */
export interface Verdict {
  readonly verdict: "pass" | "fail" | "more";
  /** Waiting brings no verdict any more. */
  readonly isOverdue?: boolean;
  readonly findings: readonly GateFinding[];
}

/** `record` with what the gate found. `at`: now, RFC 3339. */
export const withFindings = (record: RolloutRecord, verdict: Verdict | undefined, at: string): RolloutRecord =>
  verdict === undefined ? record : { ...record, findings: [...verdict.findings], foundAt: at };

/** The return of a version that the gate has found worse; undefined: it has not. */
export function returnOfWorse(
  record: RolloutRecord,
  verdict: Verdict | undefined,
  author: Author,
): RolloutChange | undefined {
  if (verdict?.verdict !== "fail") return undefined;
  const cause = verdict.findings.find(({ result }) => result === "fail")?.check ?? "requests";
  return rollBack(record, author, { why: sentencesOf(verdict, "fail"), cause });
}

export const sentencesOf = ({ findings }: Verdict, result: "fail" | "more"): string =>
  findings
    .filter((finding) => finding.result === result)
    .map(({ sentence }) => sentence)
    .join("; ");

/**
 * `present`, where something of it is worth writing. Figures change with each request: they are written when a check finds
 * something else, and every few seconds.
 */
export function update(present: RolloutRecord, before: RolloutRecord): RolloutChange | undefined {
  const resultsOf = ({ findings }: RolloutRecord) => findings.map(({ check, result }) => [check, result]);
  const ageMs = msOfInstant(present.foundAt ?? "") - msOfInstant(before.foundAt ?? "");
  const isStale = !(ageMs < FIGURES_MS) && !isEqual(present.findings, before.findings);
  const isNews =
    isStale ||
    !isEqual(resultsOf(present), resultsOf(before)) ||
    !isEqual(present.nodes, before.nodes) ||
    !isEqual(present.waitsFor, before.waitsFor);
  return isNews ? { record: present, events: [] } : undefined;
}
