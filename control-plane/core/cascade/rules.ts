import type { CascadeSpec } from "../../../shared/api/v1/deployments/cascade-spec.ts";
import type { ModelKind } from "../../../shared/text/model-kind.ts";

/** What asks for the large model: the caller, the length of the prompt, or the small model's doubt. */
export type CascadeRule = "header" | "prompt" | "doubt";

/** What of a request the rules look at. */
export interface CascadeQuestion {
  /** What the caller asks for; undefined: the rules decide. */
  readonly wants: "large" | "small" | undefined;
  readonly promptCharacters: number;
}

/** The rule that asks for the large model before any model has seen the request. */
export function askedBefore(
  { promptCharacters: most = Infinity }: CascadeSpec["when"],
  { wants, promptCharacters }: CascadeQuestion,
): CascadeRule | undefined {
  if (wants !== undefined) return wants === "large" ? "header" : undefined;
  return promptCharacters > most ? "prompt" : undefined;
}

/** What the small model is to measure of its answer: of its text, or of its tensors. Empty: nothing depends on it. */
export function measureOf(
  { doubt, answer }: CascadeSpec["when"],
  { wants, asks }: Pick<CascadeQuestion, "wants"> & { readonly asks: ModelKind },
): { readonly text?: CascadeSpec["when"]["doubt"]; readonly tensors?: CascadeSpec["when"]["answer"] } {
  if (wants !== undefined) return {};
  return asks === "text" ? { text: doubt } : { tensors: answer };
}

/** The rule that asks for the large model when the small one has begun its answer, or has refused the request. */
export function askedAfter(
  { promptCharacters, doubt, answer }: CascadeSpec["when"],
  { wants }: Pick<CascadeQuestion, "wants">,
  found: { readonly isDoubtful: boolean; readonly isTooLong: boolean },
): CascadeRule | undefined {
  if (wants !== undefined) return undefined;
  if (found.isTooLong && promptCharacters !== undefined) return "prompt";
  return found.isDoubtful && (doubt ?? answer) !== undefined ? "doubt" : undefined;
}
