/** An output of an answer. */
export interface OutputTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
  readonly parameters?: { readonly classes?: readonly (string | number)[] | undefined } | undefined;
}

export interface ScoreRow {
  readonly label: string;
  readonly value: number;
  /** Of the largest, 0–100. */
  readonly percent: number;
  readonly isBest: boolean;
}

const MOST_SCORES = 20;

/** The numbers of a short vector as bars, in their order; undefined of anything else. */
export function scoresOf(
  { datatype, shape, data }: OutputTensor,
  classes: readonly (string | number)[] = [],
): readonly ScoreRow[] | undefined {
  const isVector = shape.length > 0 && shape.slice(0, -1).every((size) => size === 1);
  if (!isVector || !/^(?:FP|BF)/.test(datatype) || data.length < 2 || data.length > MOST_SCORES) return undefined;
  const values = data.map(Number);
  const [least, most] = [Math.min(0, ...values), Math.max(...values)];
  return values.map((value, at) => ({
    label: String(classes[at] ?? at),
    value,
    percent: most === least ? 0 : ((value - least) / (most - least)) * 100,
    isBest: value === most,
  }));
}

const SHOWN = 24;

/** The first elements, as a person reads them. */
export function elementsText(data: readonly unknown[]): string {
  const texts = data
    .slice(0, SHOWN)
    .map((value) =>
      typeof value === "number" && !Number.isInteger(value)
        ? String(Number(value.toPrecision(5)))
        : JSON.stringify(value),
    );
  return data.length > SHOWN ? `${texts.join(" ")} … ${data.length - SHOWN} more` : texts.join(" ");
}

/** A number with the digits that matter: `0.9999`, `1.07e-6`. */
export const figureText = (value: number): string =>
  value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(2) : Number(value.toPrecision(4)).toString();
