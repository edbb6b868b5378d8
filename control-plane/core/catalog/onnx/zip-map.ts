import type { ByteSource } from "../byte-source.ts";
import { type Edit, partOf, type Range } from "./file-edit.ts";
import { bytesField, integerField, join } from "./wire-writer.ts";
import { WireReader } from "./wire-reader.ts";

/**
 * Classifiers of skl2onnx, onnxmltools and CatBoost end, by default, in the operator ZipMap: it makes a list of maps from
 * class to probability out of the matrix of probabilities, and no tensor protocol carries that. The cut puts an Identity in
 * its place: the output keeps its name and is the matrix, a row for each row of the input and a column for each class.
 */

const GRAPH = { node: 1, output: 12 } as const;
const NODE = { input: 1, output: 2, name: 3, operator: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { name: 1, integers: 8, strings: 9 } as const;
const TENSOR_TYPE = 1;
const FLOAT = 1;
const MAX_CLASSES = 100_000;

export interface ZipMap extends Range {
  readonly input: string;
  readonly output: string;
  readonly classes: readonly (string | number)[];
}

/** The node that ends at `end`, when it is a ZipMap that can be cut. Reads it to its end. */
export function zipMapAt(reader: WireReader, source: ByteSource, { from, to }: Range): ZipMap | undefined {
  const content = reader.position;
  if (!isZipMap(reader, to)) return undefined;
  const zipMap = readZipMap(partOf(source, { from: content, to }));
  return zipMap && { ...zipMap, from, to };
}

/** Reads the node that ends at `end` to its end. */
function isZipMap(reader: WireReader, end: number): boolean {
  let isOperator = false;
  while (reader.next(end)) {
    if (reader.field === NODE.operator) isOperator = reader.text("an operator's name") === "ZipMap";
    else reader.skip();
  }
  return isOperator;
}

function readZipMap(source: ByteSource): Omit<ZipMap, keyof Range> | undefined {
  const reader = new WireReader(source);
  const inputs: string[] = [];
  const outputs: string[] = [];
  const classes: (string | number)[] = [];
  while (reader.next(source.size)) {
    if (reader.field === NODE.input) inputs.push(reader.text("a node's input"));
    else if (reader.field === NODE.output) outputs.push(reader.text("a node's output"));
    else if (reader.field === NODE.attribute) readClasses(reader, reader.enter("an attribute"), classes);
    else reader.skip();
  }
  const [input = ""] = inputs;
  const [output = ""] = outputs;
  const isWhole = input !== "" && output !== "" && classes.length > 0 && classes.length <= MAX_CLASSES;
  return isWhole ? { input, output, classes } : undefined;
}

/** `classlabels_int64s` or `classlabels_strings`: ZipMap has no other attribute with several values. */
function readClasses(reader: WireReader, end: number, into: (string | number)[]): void {
  while (reader.next(end)) {
    if (reader.field === ATTRIBUTE.integers) reader.integers("a class", (value) => into.push(value));
    else if (reader.field === ATTRIBUTE.strings) into.push(reader.text("a class"));
    else reader.skip();
  }
}

/** The node becomes an Identity, and the output is declared as the matrix. */
export function zipMapEdits({ input, output, classes, ...node }: ZipMap, declared: Range): readonly Edit[] {
  const identity = join([
    bytesField(NODE.input, input),
    bytesField(NODE.output, output),
    bytesField(NODE.name, `${output}/without-ZipMap`),
    bytesField(NODE.operator, "Identity"),
  ]);
  const rows = bytesField(1, new Uint8Array(0));
  const columns = bytesField(1, integerField(1, classes.length));
  const tensor = join([integerField(1, FLOAT), bytesField(2, join([rows, columns]))]);
  const value = join([bytesField(1, output), bytesField(2, bytesField(TENSOR_TYPE, tensor))]);
  return [
    { ...node, bytes: bytesField(GRAPH.node, identity) },
    { ...declared, bytes: bytesField(GRAPH.output, value) },
  ];
}
