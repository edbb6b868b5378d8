/** `Skerry-Route: placement="pl_7k2", reason=near-tie, eta=7, candidates=3, attempt=1` (an RFC 8941 dictionary). */
export interface Route {
  readonly reason: string;
  /** Which placement answered. */
  readonly placement?: string | undefined;
  readonly etaMs: number | undefined;
  readonly candidates: number | undefined;
  readonly attempt: number | undefined;
  /** The graph that answered, of a version with variants. */
  readonly variant?: string | undefined;
  /** Of a cascade: what asked for its large model, and why that did not answer. */
  readonly rule?: string | undefined;
  readonly closed?: string | undefined;
}

export function parseRoute(header: string | null): Route | null {
  if (header === null) return null;
  const fields = new Map(
    header.split(",").map((part) => {
      const at = part.indexOf("=");
      return [
        part.slice(0, at).trim(),
        part
          .slice(at + 1)
          .trim()
          .replace(/^"|"$/g, ""),
      ] as const;
    }),
  );
  const reason = fields.get("reason");
  const number = (name: string): number | undefined => {
    const value = Number(fields.get(name) ?? Number.NaN);
    return Number.isFinite(value) ? value : undefined;
  };
  const [rule, closed, placement, variant] = ["rule", "closed", "placement", "variant"].map((name) => fields.get(name));
  return reason === undefined
    ? null
    : {
        reason,
        etaMs: number("eta"),
        candidates: number("candidates"),
        attempt: number("attempt"),
        ...(placement !== undefined && { placement }),
        ...(variant !== undefined && { variant }),
        ...(rule !== undefined && { rule }),
        ...(closed !== undefined && { closed }),
      };
}

const REASONS: Readonly<Record<string, string>> = {
  only: "the only ready one",
  affinity: "it has the session's prompts in its cache",
  "least-eta": "expected to answer first",
  "near-tie": "as quick as the others, drawn by capacity",
  sampled: "the quickest of a sample",
  cheapest: "the cheapest that keeps the latency promise",
  preferred: "as the caller prefers",
  pinned: "as the caller demands",
  overflow: "the preferred ones are full",
  retry: "another one refused or was lost",
  hedge: "asked in addition, because the first was slow",
  cold: "none is warm; it loaded the model first",
  cascade: "the large model behind the one that was asked",
  local: "asked at the node itself",
};

/** Why a node was chosen, in a few words: `near-tie of 2: as quick as the others, drawn by capacity`. */
export function routeWords(route: Route | null): string {
  if (route === null) return "not told";
  const words = Object.hasOwn(REASONS, route.reason) ? `: ${REASONS[route.reason]}` : "";
  const of = route.candidates === undefined || route.candidates < 2 ? "" : ` of ${route.candidates}`;
  const expected = route.etaMs === undefined ? "" : `, ${route.etaMs} ms expected`;
  const as = route.variant === undefined ? "" : `, variant ${route.variant}`;
  const by = route.rule === undefined ? "" : `, by the rule ${route.rule}`;
  const closed = route.closed === undefined ? "" : `; the large model behind it was closed by ${route.closed}`;
  return `${route.reason}${of}${words}${expected}${as}${by}${closed}`;
}
