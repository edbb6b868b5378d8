import type { Stages } from "../../protocol/stages.ts";
import { DATATYPES, isDatatype } from "../tensors/datatypes.ts";
import { invalid } from "../faults.ts";
import type { JsonObject } from "../json.ts";
import type { TensorSignature } from "../tensors/shape.ts";
import { explainedInputs, type ExplainMethod, explainersOf, methodsFor, scoredOutputs } from "./explainers.ts";

/** How an answer is to be explained. */
export interface ExplainOptions {
  readonly method: ExplainMethod;
  /** The input whose elements get an influence each, and the output whose element they influence. */
  readonly input: string;
  readonly output: string;
  /** Element of the output's row; undefined: the largest of that row. */
  readonly element: number | undefined;
  /** What stands for an absent value: one number for all elements, or one for each element of a row. */
  readonly baseline: readonly number[];
  /** Rows that the model may be asked for, of all rows of the request together. */
  readonly maxEvaluations: number;
  /** Steps of the path of integrated gradients, or permutations of Shapley values; undefined: the method's default. */
  readonly samples: number | undefined;
  /** Of the permutations. */
  readonly seed: number;
  /** Elements that are occluded together, along each axis; undefined: the method's default. */
  readonly window: number | undefined;
}

const DEFAULT_EVALUATIONS = 8_192;
const MAX_EVALUATIONS = 262_144;
const MAX_SAMPLES = 1_024;
const MAX_WINDOW = 65_536;
const MAX_SEED = 0xffff_ffff;

const PREFIX = "skerry_explain";

/** What each method takes beside the parameters that all take: a parameter that would do nothing is refused. */
const OWN_PARAMETERS: Readonly<Record<ExplainMethod, readonly string[]>> = {
  occlusion: [`${PREFIX}_window`],
  "integrated-gradients": [`${PREFIX}_samples`],
  shapley: [`${PREFIX}_samples`, `${PREFIX}_seed`],
};
const COMMON_PARAMETERS = ["", "_input", "_output", "_element", "_baseline", "_evaluations"].map(
  (suffix) => `${PREFIX}${suffix}`,
);

interface Explained {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  /** Undefined: those that follow from the signature. */
  readonly explainers?: readonly ExplainMethod[];
  readonly explainedStages?: Stages;
}

export const isExplainParameter = (name: string): boolean => name.startsWith(PREFIX);

/**
 * Reads the parameters `skerry_explain…` of a request against the signature of its model. `isAsked`: the path asks for an
 * explanation, by the default method unless a parameter names one. Undefined: none is asked for. Throws `SkerryError`
 * INVALID_REQUEST, which names what the version declares.
 */
export function decodeExplain(
  parameters: JsonObject,
  signature: Explained,
  { isAsked }: { readonly isAsked: boolean },
): ExplainOptions | undefined {
  const given = Object.keys(parameters).filter(isExplainParameter);
  if (!isAsked && parameters[PREFIX] === undefined) {
    const [stray] = given;
    if (stray !== undefined) throw invalid(`\`${stray.slice(0, 40)}\` needs \`${PREFIX}\`; name a method in it`);
    return undefined;
  }
  const declared = signature.explainers ?? explainersOf(signature);
  if (declared.length === 0) throw invalid(whyNone(signature));
  const input = named(parameters, `${PREFIX}_input`, explainedInputs(signature));
  const method = methodOf(
    parameters[PREFIX],
    methodsFor(input).filter((each) => declared.includes(each)),
  );
  const allowed = [...COMMON_PARAMETERS, ...OWN_PARAMETERS[method]];
  const stray = given.find((name) => !allowed.includes(name));
  if (stray !== undefined)
    throw invalid(
      `\`${stray.slice(0, 40)}\` does nothing for ${method}, which takes ${allowed.join(", ")}; leave it out`,
    );
  const count = (name: string, most: number, least = 1): number | undefined =>
    integerOf(parameters[`${PREFIX}_${name}`], `${PREFIX}_${name}`, { least, most });
  return {
    method,
    input: input.name,
    output: named(parameters, `${PREFIX}_output`, scoredOutputs(signature)).name,
    element: count("element", Number.MAX_SAFE_INTEGER, 0),
    baseline: baselineOf(parameters[`${PREFIX}_baseline`], input.datatype),
    maxEvaluations: count("evaluations", MAX_EVALUATIONS) ?? DEFAULT_EVALUATIONS,
    samples: count("samples", MAX_SAMPLES),
    seed: count("seed", MAX_SEED, 0) ?? 0,
    window: count("window", MAX_WINDOW),
  };
}

const whyNone = ({ explainedStages }: Explained): string =>
  explainedStages === undefined
    ? "this version declares no explainers; ask for no explanation"
    : `a pipeline is explained by what its graphs take, not by raw data: send the graphs' inputs with \`skerry_stages\`: \`${explainedStages}\``;

function methodOf(value: unknown, declared: readonly ExplainMethod[]): ExplainMethod {
  const [first] = declared;
  if (value === undefined && first !== undefined) return first;
  const found = declared.find((method) => method === value);
  if (found === undefined)
    throw invalid(`\`${PREFIX}\` names no explainer of this version; it declares ${declared.join(", ")}`);
  return found;
}

function named(parameters: JsonObject, parameter: string, specs: readonly TensorSignature[]): TensorSignature {
  const name = parameters[parameter];
  const spec = name === undefined ? specs[0] : specs.find((each) => each.name === name);
  if (spec === undefined) {
    const names = specs.map((each) => `"${each.name}"`).join(", ");
    throw invalid(`\`${parameter}\` names no tensor that can be explained; this version has ${names}`);
  }
  return spec;
}

function integerOf(
  value: unknown,
  name: string,
  { least, most }: { readonly least: number; readonly most: number },
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
    throw invalid(`\`${name}\` must be a whole number from ${least} to ${most}`);
  return value;
}

/** One number, or several in a text with commas between them: a parameter has no other form for a list. */
function baselineOf(value: unknown, datatype: string): readonly number[] {
  if (value === undefined) return [0];
  const numbers =
    typeof value === "string" ? value.split(",").map((text) => (text.trim() === "" ? NaN : Number(text))) : [value];
  const type = isDatatype(datatype) ? DATATYPES[datatype] : undefined;
  const fits = (each: unknown): each is number =>
    typeof each === "number" &&
    Number.isFinite(each) &&
    (type === undefined ||
      type.kind === "bytes" ||
      (each >= type.min && each <= type.max && (type.kind === "float" || Number.isInteger(each))));
  if (!numbers.every(fits))
    throw invalid(
      `\`${PREFIX}_baseline\` must be a number of the input's datatype, or one for each element of a row with commas between them`,
    );
  return numbers;
}
