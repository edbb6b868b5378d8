import type { OutputTensor } from "./output-rows.ts";
import type { InputForm } from "./playground-inputs.ts";

/** The body of an answer to `…:explain`. */
export interface ExplainedBody {
  readonly outputs?: readonly OutputTensor[];
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** What an answer hangs on: one influence for each element of the explained input's first row. */
export interface Influences {
  readonly method: string;
  readonly input: string;
  /** The explained output, and the element of it that was largest. */
  readonly output: string;
  readonly element: number;
  readonly value: number;
  readonly values: readonly number[];
}

/** The output that holds the explanation is called so, or has a prefix where the model has one of that name. */
const NAMES = ["skerry.explanation", "explanation"];

/** The explanation of an answer's first row; undefined when it has none. */
export function influencesOf({ outputs = [], parameters = {} }: ExplainedBody): Influences | undefined {
  const { skerry_explain: method, skerry_explain_input: input, skerry_explain_output: output } = parameters;
  const explanation = NAMES.map((name) => outputs.find((each) => each.name === name)).find(
    (found) => found !== undefined,
  );
  const explained = outputs.find(({ name }) => name === output);
  if (explanation === undefined || typeof method !== "string" || typeof input !== "string") return undefined;
  const rows = explanation.shape[0] ?? 1;
  const ofRow = (data: readonly unknown[]): readonly number[] => data.slice(0, data.length / rows).map(Number);
  const answer = ofRow(explained?.data ?? []);
  const asked = parameters["skerry_explain_element"];
  const element = typeof asked === "number" ? asked : answer.indexOf(Math.max(...answer));
  return {
    method,
    input,
    output: String(output),
    element,
    value: answer[element] ?? NaN,
    values: ofRow(explanation.data),
  };
}

export interface StrongElement {
  readonly at: number;
  readonly influence: number;
}

/** Elements with an influence, the strongest either way first. */
export function strongestOf(influences: readonly number[], most: number): readonly StrongElement[] {
  return influences
    .map((influence, at) => ({ at, influence }))
    .filter(({ influence }) => influence !== 0)
    .toSorted((a, b) => Math.abs(b.influence) - Math.abs(a.influence))
    .slice(0, most);
}

type Image = Extract<InputForm, { kind: "image" }>;

/** RGBA: the input in faint grey, in red what speaks for the answer and in blue what speaks against it. */
export function influencePixels(
  { values, influences }: { readonly values: readonly number[]; readonly influences: readonly number[] },
  { width, height, channels, layout }: Pick<Image, "width" | "height" | "channels" | "layout">,
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = width * height;
  const sum = (of: readonly number[], pixel: number): number =>
    Array.from({ length: channels }, (_, channel) =>
      Number(of[layout === "chw" ? channel * pixels + pixel : pixel * channels + channel] ?? 0),
    ).reduce((total, each) => total + each, 0);
  const all = Array.from({ length: pixels }, (_, pixel) => sum(influences, pixel));
  const largest = Math.max(...all.map(Math.abs)) || 1;
  const light = Array.from({ length: pixels }, (_, pixel) => sum(values, pixel));
  const [darkest, lightest] = [Math.min(...light), Math.max(...light)];
  const out = new Uint8ClampedArray(pixels * 4);
  for (const [pixel, influence] of all.entries()) {
    const share = Math.abs(influence) / largest;
    const grey = lightest === darkest ? 0 : (((light[pixel] ?? 0) - darkest) / (lightest - darkest)) * 110;
    const [red, blue] = influence > 0 ? [255, 0] : [0, 255];
    const mixed = [red, 0, blue].map((colour) => grey + (colour - grey) * share);
    out.set([...mixed, 255], pixel * 4);
  }
  return out;
}
