/** What a signature says of an input. */
export interface InputSpec {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters?: { readonly optional?: boolean | undefined } | undefined;
}

/** How a person gives an input. */
export type InputForm =
  /** Drawn, or from a file; `channels` 1 or 3, in the order that the shape has. */
  | {
      readonly kind: "image";
      readonly width: number;
      readonly height: number;
      readonly channels: 1 | 3;
      readonly layout: "chw" | "hwc";
      /** One row of it. */
      readonly shape: readonly number[];
    }
  | { readonly kind: "text" }
  | { readonly kind: "numbers"; readonly shape: readonly number[] };

/** A side beyond which a canvas would be a poster. */
const LARGEST_SIDE = 1_024;
const SMALLEST_SIDE = 8;
const PIXELS = new Set(["FP32", "FP16", "UINT8", "FP64"]);

/** The form that fits an input: texts, what has the shape of an image, or numbers. */
export function formOf({ datatype, shape }: InputSpec): InputForm {
  if (datatype === "BYTES") return { kind: "text" };
  const one = shape.map((size) => (size === -1 ? 1 : size));
  const image = PIXELS.has(datatype) ? imageOf(one) : undefined;
  return image ?? { kind: "numbers", shape: one };
}

function imageOf(shape: readonly number[]): InputForm | undefined {
  const [first = 0, second = 0, third = 0] = shape.slice(shape.length - 3);
  if (shape.length === 4 && shape[0] !== 1) return undefined;
  if (shape.length === 3 || shape.length === 4) {
    if (isChannels(first) && isSide(second) && isSide(third))
      return { kind: "image", channels: first, height: second, width: third, layout: "chw", shape };
    if (isSide(first) && isSide(second) && isChannels(third))
      return { kind: "image", channels: third, height: first, width: second, layout: "hwc", shape };
    if (shape.length === 3 && shape[0] === 1 && isSide(second) && isSide(third))
      return { kind: "image", channels: 1, height: second, width: third, layout: "chw", shape };
    return undefined;
  }
  const side = Math.sqrt(shape.at(-1) ?? 0);
  // A row of 784 numbers is a square image to those who know the model; a row of 16 is as likely a table.
  const isSquare = shape.length === 2 && shape[0] === 1 && Number.isInteger(side) && side >= 28 && side <= LARGEST_SIDE;
  return isSquare ? { kind: "image", channels: 1, height: side, width: side, layout: "chw", shape } : undefined;
}

const isChannels = (size: number): size is 1 | 3 => size === 1 || size === 3;
const isSide = (size: number): boolean => size >= SMALLEST_SIDE && size <= LARGEST_SIDE;

/** Pixels (RGBA, 0–255) as the numbers of an image's input: 0–1, or 0–255 for bytes. */
export function tensorOfPixels(
  pixels: ArrayLike<number>,
  form: Extract<InputForm, { kind: "image" }>,
  datatype: string,
): readonly number[] {
  const { width, height, channels, layout } = form;
  const scale = datatype === "UINT8" ? 1 : 1 / 255;
  const count = width * height;
  const values = Array.from({ length: count * channels }, () => 0);
  for (let at = 0; at < count; at += 1) {
    const [red = 0, green = 0, blue = 0] = [pixels[4 * at], pixels[4 * at + 1], pixels[4 * at + 2]];
    const grey = 0.299 * red + 0.587 * green + 0.114 * blue;
    for (let channel = 0; channel < channels; channel += 1) {
      const value = channels === 1 ? grey : channel === 0 ? red : channel === 1 ? green : blue;
      const to = layout === "chw" ? channel * count + at : at * channels + channel;
      values[to] = datatype === "UINT8" ? Math.round(value) : Number((value * scale).toFixed(4));
    }
  }
  return values;
}

/** Where the ink of a drawing is: its box and its centre of mass, in pixels; undefined of an empty one. `ink`: 0–1, row by row. */
export function inkOf(
  ink: ArrayLike<number>,
  width: number,
):
  | {
      readonly left: number;
      readonly top: number;
      readonly right: number;
      readonly bottom: number;
      readonly x: number;
      readonly y: number;
    }
  | undefined {
  let [left, top, right, bottom, sum, x, y] = [Infinity, Infinity, -Infinity, -Infinity, 0, 0, 0];
  for (let at = 0; at < ink.length; at += 1) {
    const value = ink[at] ?? 0;
    if (value < 0.05) continue;
    const [column, row] = [at % width, Math.floor(at / width)];
    left = Math.min(left, column);
    right = Math.max(right, column);
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
    sum += value;
    x += value * column;
    y += value * row;
  }
  return sum === 0
    ? undefined
    : { left, top, right: right + 1, bottom: bottom + 1, x: x / sum + 0.5, y: y / sum + 0.5 };
}

/** Numbers as a person types them: JSON, or separated by spaces and commas. Throws what is wrong with them. */
export function parseNumbers(text: string, elements: number): readonly number[] {
  const flat = text.trim().startsWith("[")
    ? flatten(JSON.parse(text))
    : text.split(/[\s,;]+/).filter((part) => part !== "");
  const values = flat.map((part) => (typeof part === "boolean" ? Number(part) : Number(part)));
  const wrong = values.findIndex((value) => Number.isNaN(value));
  if (wrong !== -1) throw new Error(`element ${wrong + 1} is no number`);
  if (values.length === 0 || values.length % elements !== 0)
    throw new Error(`${values.length} numbers are there, and a row has ${elements}`);
  return values;
}

const flatten = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value.flatMap(flatten) : [value]);
