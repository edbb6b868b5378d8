import { z } from "zod";
import { rowLayout } from "../../shared/inference/explain/layout.ts";
import type { TensorSpec } from "../../shared/protocol/model-files/manifest.ts";

/** An output of an answer in JSON. */
export const answeredTensor = z.looseObject({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.number()),
  data: z.array(z.unknown()).default([]),
});
export type AnsweredTensor = z.infer<typeof answeredTensor>;

/** What one row was decided to be, and from which elements of it. */
export interface ExplainedRow {
  /** The element of the output that is explained, its class if the model's file names it, and its value. */
  readonly element: number;
  readonly class: string | number | null;
  readonly value: number;
  /** The elements with the most influence either way, the strongest first. */
  readonly strongest: readonly {
    readonly place: readonly number[];
    readonly value: number;
    readonly influence: number;
  }[];
}

const STRONGEST = 5;

/** Numbers of a tensor in JSON, flat. */
export const numbersOf = (data: readonly unknown[]): readonly number[] => data.flat(Infinity).map(Number);

/** The rows of an answer with an explanation. `element`: the one that the request names; else the largest of each row. */
export function explainedRows(of: {
  readonly input: { readonly shape: readonly number[]; readonly values: readonly number[] };
  readonly output: AnsweredTensor;
  readonly spec: TensorSpec | undefined;
  readonly explanation: AnsweredTensor;
  readonly element: number | undefined;
}): readonly ExplainedRow[] {
  const { input, output, spec, explanation, element: asked } = of;
  const influences = numbersOf(explanation.data);
  const answers = numbersOf(output.data);
  const [rows = 0, ...shape] = input.shape;
  const width = influences.length / rows;
  const answerWidth = answers.length / rows;
  const classes = spec?.parameters?.classes;
  return Array.from({ length: rows }, (_, row) => {
    const answer = answers.slice(row * answerWidth, (row + 1) * answerWidth);
    const element = asked ?? answer.indexOf(Math.max(...answer));
    const influence = influences.slice(row * width, (row + 1) * width);
    const order = [...influence.keys()].toSorted((a, b) => Math.abs(influence[b] ?? 0) - Math.abs(influence[a] ?? 0));
    return {
      element,
      class: classes?.[element] ?? null,
      value: answer[element] ?? NaN,
      strongest: order.slice(0, STRONGEST).flatMap((at) =>
        influence[at] === 0
          ? []
          : [
              {
                place: placeOf(at, shape),
                value: input.values[row * width + at] ?? NaN,
                influence: influence[at] ?? 0,
              },
            ],
      ),
    };
  });
}

function placeOf(at: number, shape: readonly number[]): readonly number[] {
  return rowLayout(shape).axes.map(({ size, step }) => Math.floor(at / step) % size);
}

const digits = (value: number): string => String(Number(value.toPrecision(3)));
const signed = (value: number): string => `${value > 0 ? "+" : "−"}${digits(Math.abs(value))}`;

/** `3 ("virginica"), probabilities[2] = 0.98` */
export const decisionWords = (output: string, { element, class: name, value }: ExplainedRow): string =>
  `${name === null ? element : JSON.stringify(name)}, because ${output}[${element}] = ${digits(value)} is explained`;

/** `at 7,12 (0.99) +0.021, …` */
export const influenceWords = ({ strongest }: ExplainedRow): string =>
  strongest.length === 0
    ? "no element: none differs from the baseline, or none changes the answer"
    : strongest
        .map(({ place, value, influence }) => `[${place.join(", ")}] = ${digits(value)}: ${signed(influence)}`)
        .join("; ");
