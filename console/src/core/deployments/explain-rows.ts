import type { Tone } from "../fleet/tone.ts";

interface Ranked {
  readonly node: string;
  readonly total: number;
}

interface Rejection {
  readonly node: string;
  readonly code: string;
  readonly verdict: "not now" | "never" | "bug";
  readonly sentence: string;
}

interface Variant {
  readonly name: string;
  readonly why: string;
}

interface ExplainedRecord {
  readonly kind: string;
  readonly rejections: readonly Rejection[];
  readonly top: readonly Ranked[];
  readonly chosen: readonly string[];
  readonly variant?: Variant | undefined;
}

/** The answer about every node of the fleet, see `nodes=all` of the API. */
interface NodeVerdict {
  readonly node: string;
  readonly total: number | null;
  readonly refusal: Omit<Rejection, "node"> | null;
}

/** A node in the decision about one deployment. */
export interface ExplainRow {
  readonly node: string;
  readonly kind: string;
  /** What the decision says of it, in a word or two. */
  readonly verdict: Verdict;
  readonly tone: Tone;
  readonly sentence: string;
  /** Points of 100; undefined where no filter let it through, or none was given. */
  readonly total: number | undefined;
  /** The graph of the version that it has or would get, and why; undefined: the version has one, or none was chosen. */
  readonly variant: Variant | undefined;
}

/** In the order of the table. */
export const VERDICTS = ["has a replica", "chosen now", "could", "not now", "never", "bug", "not asked"] as const;
export type Verdict = (typeof VERDICTS)[number];

export const isVerdict = (value: unknown): value is Verdict => VERDICTS.some((each) => each === value);

/**
 * Every node of the fleet against one decision: those that hold a replica first, then by points, then the refused. While
 * nothing has to be decided, against the decisions that chose the replicas. With `explained.nodes` no node is left unasked.
 */
export function explainRows(
  nodes: readonly { readonly name: string; readonly kind: string }[],
  explained: {
    readonly placements: readonly {
      readonly node: string;
      readonly explain: ExplainedRecord & { readonly sentence: string };
    }[];
    readonly now: readonly ExplainedRecord[];
    readonly nodes?: readonly NodeVerdict[] | null;
  },
): readonly ExplainRow[] {
  const placements = new Map(explained.placements.map((each) => [each.node, each]));
  const isNow = explained.now.length > 0;
  const records = isNow ? explained.now : explained.placements.map(({ explain }) => explain);
  const ranked = new Map(records.flatMap(({ top }) => top).map((each) => [each.node, each]));
  const chosen = new Map(explained.now.flatMap((record) => record.chosen.map((node) => [node, record.variant])));
  const rejections = new Map(records.flatMap((record) => record.rejections).map((each) => [each.node, each]));
  const asked = new Map(explained.nodes?.map((each) => [each.node, each]));
  const rows = nodes.map(({ name: node, kind }): ExplainRow => {
    const placement = placements.get(node);
    const verdict = asked.get(node);
    const rank = ranked.get(node);
    const refusal = verdict ? verdict.refusal : rank ? null : rejections.get(node);
    // What it had when the replicas were chosen says nothing of a node that is refused now.
    const total = verdict?.total ?? (refusal && !placement ? undefined : rank?.total);
    const row = { node, kind, total, variant: undefined };
    if (placement) {
      const { sentence, variant } = placement.explain;
      return { ...row, verdict: "has a replica", tone: "good", sentence, variant };
    }
    if (chosen.has(node)) {
      const sentence = "A replica would be placed here now.";
      return { ...row, verdict: "chosen now", tone: "busy", sentence, variant: chosen.get(node) };
    }
    if (refusal) {
      const tone = refusal.verdict === "not now" ? "warn" : "bad";
      return { ...row, verdict: refusal.verdict, tone, sentence: refusal.sentence };
    }
    if (total !== undefined) return { ...row, verdict: "could", tone: "idle", sentence: couldSentence(isNow, verdict) };
    return { ...row, verdict: "not asked", tone: "idle", sentence: "" };
  });
  return rows.toSorted(
    (a, b) => rankOf(a) - rankOf(b) || (b.total ?? 0) - (a.total ?? 0) || (a.node < b.node ? -1 : 1),
  );
}

function couldSentence(isNow: boolean, verdict: NodeVerdict | undefined): string {
  if (isNow) return "Fits; other nodes have more points.";
  return verdict === undefined ? "Fitted; another node had more points." : "Fits; no further replica is asked for.";
}

/** How many rows have each verdict, in the order of the table; those that none has are left out. */
export function verdictCounts(
  rows: readonly ExplainRow[],
): readonly { readonly verdict: Verdict; readonly count: number }[] {
  const counted = Map.groupBy(rows, ({ verdict }) => verdict);
  return VERDICTS.flatMap((verdict) => {
    const count = counted.get(verdict)?.length ?? 0;
    return count === 0 ? [] : [{ verdict, count }];
  });
}

const rankOf = ({ verdict }: ExplainRow): number => VERDICTS.indexOf(verdict);
