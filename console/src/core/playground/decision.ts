import type { ExplainedBody } from "./explanation.ts";

/** What a pipeline decided of one row. */
export interface DecidedRow {
  readonly decision: string;
  readonly confidence: number | undefined;
}

export interface Decided {
  /** Which part of the pipeline the request passed: `pre+infer+decide`. */
  readonly stages: string;
  /** The steps that decided; undefined where none did. */
  readonly rule: string | undefined;
  readonly rows: readonly DecidedRow[];
  /** Outputs that the rows are made of. */
  readonly names: readonly string[];
}

/** What an answer of a pipeline says beside the outputs of its graphs; undefined of other models. */
export function decidedOf({ outputs = [], parameters = {} }: ExplainedBody): Decided | undefined {
  const { skerry_stages: stages, skerry_decision_rule: rule } = parameters;
  if (typeof stages !== "string") return undefined;
  if (typeof rule !== "string") return { stages, rule: undefined, rows: [], names: [] };
  // A graph's own output of such a name keeps it.
  const find = (name: string) => outputs.findLast((each) => each.name === `skerry.${name}` || each.name === name);
  const [decision, confidence] = [find("decision"), find("confidence")];
  const rows = (decision?.data ?? []).map((text, at) => {
    const sure = confidence?.data[at];
    return { decision: String(text), confidence: typeof sure === "number" ? sure : undefined };
  });
  return {
    stages,
    rule,
    rows,
    names: [decision, confidence].flatMap((each) => (each === undefined ? [] : [each.name])),
  };
}
