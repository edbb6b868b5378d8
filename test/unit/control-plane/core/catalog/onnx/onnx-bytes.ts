/** Writes ONNX files by hand, so that a test may also write what no exporter would. */

type Value = number | bigint | string | Uint8Array;

/** Joins fields into a message. */
export const message = (...fields: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(fields.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const field of fields) {
    bytes.set(field, at);
    at += field.length;
  }
  return bytes;
};

/** One field: an integer as varint, text and bytes with their length before them. */
export function field(number: number, value: Value): Uint8Array {
  if (typeof value === "number" || typeof value === "bigint") return message(varint(number * 8), varint(value));
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return message(varint(number * 8 + 2), varint(bytes.length), bytes);
}

export function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}

export const FLOAT = 1;
export const INT64 = 7;

/** A dimension: a length, a symbol, or nothing at all. */
type Dimension = number | string | undefined;

const dimension = (of: Dimension): Uint8Array =>
  field(1, of === undefined ? message() : typeof of === "number" ? message(field(1, of)) : message(field(2, of)));

/** A TypeProto of a tensor. Without `shape` not even the rank is said. */
export const tensorType = (datatype: number, shape?: readonly Dimension[]): Uint8Array =>
  message(field(1, message(field(1, datatype), ...(shape ? [field(2, message(...shape.map(dimension)))] : []))));

/** A ValueInfoProto. */
export const value = (name: string, type: Uint8Array): Uint8Array => message(field(1, name), field(2, type));

/** A TensorProto of floats with the bytes that its shape needs, unless told otherwise. */
export function tensor(name: string, dims: readonly number[], ...more: readonly Uint8Array[]): Uint8Array {
  const elements = dims.reduce((product, length) => product * length, 1);
  const data = more.length > 0 ? more : [field(9, new Uint8Array(elements * 4))];
  return message(...dims.map((length) => field(1, length)), field(2, FLOAT), field(8, name), ...data);
}

/** A NodeProto. */
export const node = (opType: string, ...more: readonly Uint8Array[]): Uint8Array =>
  message(field(1, "x"), field(2, "y"), field(4, opType), ...more);

/** An AttributeProto that holds a graph. */
export const graphAttribute = (name: string, graph: Uint8Array): Uint8Array =>
  message(field(1, name), field(6, graph), field(20, 5));

export interface GraphParts {
  readonly nodes?: readonly Uint8Array[];
  readonly initializers?: readonly Uint8Array[];
  readonly inputs?: readonly Uint8Array[];
  readonly outputs?: readonly Uint8Array[];
  readonly more?: readonly Uint8Array[];
}

/** A GraphProto. */
export const graph = ({
  nodes = [],
  initializers = [],
  inputs = [],
  outputs = [],
  more = [],
}: GraphParts): Uint8Array =>
  message(
    ...nodes.map((bytes) => field(1, bytes)),
    field(2, "main"),
    ...initializers.map((bytes) => field(5, bytes)),
    ...inputs.map((bytes) => field(11, bytes)),
    ...outputs.map((bytes) => field(12, bytes)),
    ...more,
  );

export interface ModelParts extends GraphParts {
  readonly irVersion?: number;
  readonly opsets?: readonly (readonly [domain: string, version: number])[];
  /** Fields of the ModelProto itself. */
  readonly modelFields?: readonly Uint8Array[];
}

/** A whole file. Without parts: y = Identity(x) for float[n, 2]. */
export function onnx(parts: ModelParts = {}): Uint8Array<ArrayBuffer> {
  const {
    irVersion = 8,
    opsets = [["", 17]],
    modelFields = [],
    nodes = [node("Identity")],
    inputs = [value("x", tensorType(FLOAT, ["n", 2]))],
    outputs = [value("y", tensorType(FLOAT, ["n", 2]))],
    ...rest
  } = parts;
  return message(
    field(1, irVersion),
    field(2, "by-hand"),
    field(3, "1.2"),
    field(7, graph({ nodes, inputs, outputs, ...rest })),
    ...opsets.map(([domain, version]) => field(8, message(field(1, domain), field(2, version)))),
    ...modelFields,
  );
}

/** A model with `weights` in one initializer, for files of a given size and content. */
export const onnxWithWeights = (weights: Uint8Array): Uint8Array<ArrayBuffer> =>
  onnx({ initializers: [message(field(1, weights.length), field(2, 2), field(8, "weights"), field(9, weights))] });

/** Bytes that look random and are the same each time: xorshift32. */
export function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed ^ 0x9e37_79b9) | 1;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** A ZipMap: a list of maps from class to value out of a matrix. */
export function zipMap(input: string, output: string, classes: readonly (string | number)[]): Uint8Array {
  const isText = typeof classes[0] === "string";
  const labels = classes.map((each) => field(isText ? 9 : 8, each));
  const name = isText ? "classlabels_strings" : "classlabels_int64s";
  const attribute = message(field(1, name), ...labels, field(20, isText ? 8 : 7));
  return message(field(1, input), field(2, output), field(4, "ZipMap"), field(5, attribute), field(7, "ai.onnx.ml"));
}

/** What exporters make of a classifier: `y` are normalised rows of `x` FP32 [n, 3], `probabilities` the same as maps. */
export function classifier(classes: readonly (string | number)[], parts: ModelParts = {}): Uint8Array<ArrayBuffer> {
  const norm = message(field(1, "norm"), field(4, "L1"), field(20, 3));
  const normalizer = message(
    field(1, "x"),
    field(2, "y"),
    field(4, "Normalizer"),
    field(5, norm),
    field(7, "ai.onnx.ml"),
  );
  const map = message(field(1, typeof classes[0] === "string" ? 8 : INT64), field(2, tensorType(FLOAT)));
  return onnx({
    opsets: [
      ["", 13],
      ["ai.onnx.ml", 2],
    ],
    nodes: [normalizer, zipMap("y", "probabilities", classes)],
    inputs: [value("x", tensorType(FLOAT, ["n", 3]))],
    outputs: [
      value("probabilities", message(field(4, message(field(1, message(field(5, map))))))),
      value("y", tensorType(FLOAT, ["n", 3])),
    ],
    ...parts,
  });
}
