import type { Tone } from "../fleet/tone.ts";

interface Ranked {
  readonly node: string;
  readonly total: number;
  readonly scores: Readonly<Record<string, { readonly score: number; readonly weight: number; readonly raw: string }>>;
}

interface Rejection {
  readonly node: string;
  readonly code: string;
  readonly verdict: string;
  readonly sentence: string;
}

interface ExplainedRecord {
  readonly kind: string;
  readonly rejections: readonly Rejection[];
  readonly top: readonly Ranked[];
  readonly chosen: readonly string[];
}

/** A node in the decision about one deployment. */
export interface ExplainRow {
  readonly node: string;
  readonly kind: string;
  /** What the decision says of it, in a word or two. */
  readonly verdict: string;
  readonly tone: Tone;
  readonly sentence: string;
  /** Points of 100; undefined where no filter let it through, or none was given. */
  readonly total: number | undefined;
  readonly scores: Ranked["scores"] | undefined;
}

/**
 * Every node of the fleet against one decision: those that hold a replica first, then by points, then the refused. While
 * nothing has to be decided, against the decisions that chose the replicas.
 */
export function explainRows(
  nodes: readonly { readonly name: string; readonly kind: string }[],
  explained: {
    readonly placements: readonly {
      readonly node: string;
      readonly explain: ExplainedRecord & { readonly sentence: string };
    }[];
    readonly now: readonly ExplainedRecord[];
  },
): readonly ExplainRow[] {
  const placements = new Map(explained.placements.map((each) => [each.node, each]));
  const isNow = explained.now.length > 0;
  const records = isNow ? explained.now : explained.placements.map(({ explain }) => explain);
  const ranked = new Map(records.flatMap(({ top }) => top).map((each) => [each.node, each]));
  const chosen = new Set(explained.now.flatMap((record) => record.chosen));
  const rejections = new Map(records.flatMap((record) => record.rejections).map((each) => [each.node, each]));
  const rows = nodes.map(({ name: node, kind }): ExplainRow => {
    const placement = placements.get(node);
    const rank = ranked.get(node);
    const rejection = rejections.get(node);
    const points = { total: rank?.total, scores: rank?.scores };
    if (placement)
      return { node, kind, verdict: "has a replica", tone: "good", sentence: placement.explain.sentence, ...points };
    if (chosen.has(node))
      return {
        node,
        kind,
        verdict: "chosen now",
        tone: "busy",
        sentence: "A replica would be placed here now.",
        ...points,
      };
    if (rank)
      return {
        node,
        kind,
        verdict: "could",
        tone: "idle",
        sentence: isNow ? "Fits; other nodes have more points." : "Fitted; another node had more points.",
        ...points,
      };
    if (rejection)
      return {
        node,
        kind,
        verdict: rejection.verdict,
        tone: rejection.verdict === "never" ? "bad" : "warn",
        sentence: rejection.sentence,
        ...points,
      };
    return { node, kind, verdict: "not asked", tone: "idle", sentence: "", ...points };
  });
  return rows.toSorted(
    (a, b) => rankOf(a) - rankOf(b) || (b.total ?? 0) - (a.total ?? 0) || (a.node < b.node ? -1 : 1),
  );
}

const ORDER = ["has a replica", "chosen now", "could", "not now", "never", "bug", "not asked"];
const rankOf = ({ verdict }: ExplainRow): number => ORDER.indexOf(verdict);
