import { formOf, type InputForm, type InputSpec, parseNumbers } from "./playground-inputs.ts";

/** A file as the element of a BYTES input. */
export interface GivenFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Numbers and texts as they are typed; of an image the numbers that its pixels are; of BYTES the files that were chosen. */
export interface InputValue {
  readonly form: InputForm;
  readonly text: string;
  readonly pixels: readonly number[] | undefined;
  /** An element each; undefined: the text is the element. */
  readonly files: readonly GivenFile[] | undefined;
}

/** An input of a request. A file stands for its bytes. */
export interface GivenInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly (string | number | boolean | GivenFile)[];
}

/** What a form begins with: zeros, a text, or a place for files. `isRaw`: a pipeline makes the tensor. */
export function emptyOf(spec: InputSpec, isRaw: boolean): InputValue {
  const form = formOf(spec);
  if (form.kind === "text") return { form, text: "Hello", pixels: undefined, files: isRaw ? [] : undefined };
  const elements = sizeOf(form.shape);
  // A long row of zeros says nothing that its length does not.
  const text = elements <= 64 ? Array.from({ length: elements }, () => 0).join(", ") : "";
  const pixels = form.kind === "image" ? Array.from({ length: elements }, () => 0) : undefined;
  return { form, text, pixels, files: undefined };
}

/** The input that a value stands for. Throws what is wrong with it, with its name. */
export function givenInput(spec: InputSpec, { form, text, pixels, files }: InputValue): GivenInput {
  const { name, datatype, shape } = spec;
  try {
    if (form.kind === "text") return { name, datatype, ...elementsOf(shape, files ?? [text]) };
    const elements = sizeOf(form.shape);
    if (pixels !== undefined) return { name, datatype, shape: form.shape, data: pixels };
    const data = text.trim() === "" ? Array.from({ length: elements }, () => 0) : parseNumbers(text, elements);
    const rows = data.length / elements;
    if (rows > 1 && shape[0] !== -1) throw new Error(`${data.length} numbers are there, and it takes ${elements}`);
    return {
      name,
      datatype,
      shape: rows > 1 ? [rows, ...form.shape.slice(1)] : form.shape,
      data: datatype === "BOOL" ? data.map((value) => value !== 0) : data,
    };
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Texts or files along the first dimension that is free. */
function elementsOf(
  shape: readonly number[],
  data: readonly (string | GivenFile)[],
): Pick<GivenInput, "shape" | "data"> {
  if (data.length === 0) throw new Error("choose a file, or type a text");
  const free = shape.indexOf(-1);
  const whole = shape.map((size, at) => (size !== -1 ? size : at === free ? data.length : 1));
  if (sizeOf(whole) !== data.length)
    throw new Error(`it takes ${sizeOf(whole)} elements, and ${data.length} ${data.length === 1 ? "is" : "are"} given`);
  return { shape: whole, data };
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
