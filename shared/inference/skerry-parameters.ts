import type { Stages } from "../protocol/stages.ts";
import { isExplainParameter } from "./explain/options.ts";
import { invalid } from "./faults.ts";
import type { JsonObject } from "./json.ts";

/**
 * The `skerry_` parameters of a request. They are strict: a misspelt one must not run the bare graph instead. Those of explanations are
 * read in `explain/options.ts`.
 */

/** What a version declares beside its signature. */
export interface DeclaredParameters {
  /** In the order of `STAGES`; never empty. */
  readonly stages: readonly Stages[];
  /** What a request without `skerry_stages` passes. */
  readonly defaultStages: Stages;
}

/** Of a version that is a graph and nothing else. */
export const BARE_GRAPH: DeclaredParameters = { stages: ["infer"], defaultStages: "infer" };

export interface SkerryParameters {
  readonly stages: Stages;
}

/** Throws `SkerryError` INVALID_REQUEST with what the version declares. */
export function decodeSkerryParameters(parameters: JsonObject, declared: DeclaredParameters): SkerryParameters {
  let { defaultStages: stages } = declared;
  for (const [name, value] of Object.entries(parameters)) {
    if (!name.startsWith("skerry_") || isExplainParameter(name)) continue;
    if (name !== "skerry_stages") refuse(name, "there is no such parameter");
    const known = declared.stages.find((each) => each === value);
    stages = known ?? refuse(name, `this version declares the stages ${declared.stages.join(", ")}`);
  }
  return { stages };
}

function refuse(name: string, why: string): never {
  throw invalid(`the request's parameter \`${name.slice(0, 40)}\` is refused: ${why}; leave it out`);
}
