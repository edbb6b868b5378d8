import { isLoadChanged, type LoadFigures } from "../../shared/protocol/load-change.ts";

/** An idle node reports at least this often, in ms: figures that change too little to matter are not older than that. */
const IDLE_REPORT_MS = 30_000;

/** Whether an idle node whose last report was `reported`, `ageMs` ago, reports again. It looks every `lookMs`. */
export function isLoadReportDue(
  reported: LoadFigures | undefined,
  now: LoadFigures,
  { ageMs, lookMs }: { readonly ageMs: number; readonly lookMs: number },
): boolean {
  // Half a look early rather than a whole one late.
  return ageMs > IDLE_REPORT_MS - lookMs / 2 || isLoadChanged(reported, now);
}
