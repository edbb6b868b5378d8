import type { CascadeSpec } from "../../../shared/api/v1/cascade-spec.ts";

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

/** What the small model is to measure of its answer; undefined: nothing depends on it. */
export const measureOf = (
  { doubt }: CascadeSpec["when"],
  { wants }: Pick<CascadeQuestion, "wants">,
): CascadeSpec["when"]["doubt"] => (wants === undefined ? doubt : undefined);

/** The rule that asks for the large model when the small one has begun its answer, or has refused the request. */
export function askedAfter(
  { promptCharacters, doubt }: CascadeSpec["when"],
  { wants }: Pick<CascadeQuestion, "wants">,
  found: { readonly isDoubtful: boolean; readonly isTooLong: boolean },
): CascadeRule | undefined {
  if (wants !== undefined) return undefined;
  if (found.isTooLong && promptCharacters !== undefined) return "prompt";
  return found.isDoubtful && doubt !== undefined ? "doubt" : undefined;
}
