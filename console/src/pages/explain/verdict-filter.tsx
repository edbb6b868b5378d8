import type { ExplainRow, Verdict } from "../../core/deployments/explain-rows.ts";
import { verdictCounts } from "../../core/deployments/explain-rows.ts";

/** Leaves the nodes with one verdict. Each button says how many there are. */
export function VerdictFilter({
  rows,
  verdict,
  onVerdict,
}: {
  readonly rows: readonly ExplainRow[];
  readonly verdict: Verdict | undefined;
  readonly onVerdict: (verdict: Verdict | undefined) => void;
}) {
  const counts = verdictCounts(rows);
  // What was chosen stays to be seen, and to be undone, when the last node with it is gone.
  const all =
    verdict === undefined || counts.some((each) => each.verdict === verdict)
      ? counts
      : [...counts, { verdict, count: 0 }];
  if (all.length < 2 && verdict === undefined) return null;
  return (
    <div role="group" className="wraps" aria-label="Nodes with the verdict">
      <button
        type="button"
        className="toggle"
        aria-pressed={verdict === undefined}
        onClick={() => onVerdict(undefined)}
      >
        all {rows.length}
      </button>
      {all.map((each) => (
        <button
          key={each.verdict}
          type="button"
          className="toggle"
          aria-pressed={each.verdict === verdict}
          onClick={() => onVerdict(each.verdict)}
        >
          {each.verdict} {each.count}
        </button>
      ))}
    </div>
  );
}
