import type { ByteSource } from "../byte-source.ts";
import { isInspectionRefused } from "./inspection-refused.ts";
import { domainName, DEFAULT_DOMAIN } from "./limits.ts";
import { bytesField, fieldHead, integerField, join } from "./wire-writer.ts";
import { WireReader } from "./wire-reader.ts";

/**
 * Classifiers of skl2onnx, onnxmltools and CatBoost end, by default, in the operator ZipMap: it makes a list of maps from
 * class to probability out of the matrix of probabilities, and no tensor protocol carries that. The cut puts an Identity in
 * its place: the output keeps its name and is the matrix, a row for each row of the input and a column for each class.
 */

const MODEL = { graph: 7, opsetImport: 8 } as const;
const GRAPH = { node: 1, output: 12 } as const;
const NODE = { input: 1, output: 2, name: 3, operator: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { name: 1, integers: 8, strings: 9 } as const;
const TENSOR_TYPE = 1;
const FLOAT = 1;
/** Identity is in every version; this one is for models that import no other operator of `ai.onnx`. */
const OPSET_OF_IDENTITY = 13;
const MAX_CLASSES = 100_000;

/** A part of the old file, as offsets, or new bytes. */
export type FilePiece = { readonly from: number; readonly to: number } | Uint8Array;

export interface ZipMapCut {
  /** The edited file, in order. */
  readonly pieces: readonly FilePiece[];
  /** Output → its classes, in the order of the columns. */
  readonly classes: ReadonlyMap<string, readonly (string | number)[]>;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

interface ZipMap extends Range {
  readonly input: string;
  readonly output: string;
  readonly classes: readonly (string | number)[];
}

/** What to change in an ONNX file whose outputs come from ZipMaps; undefined when there is nothing to cut, or it is no whole ONNX file. */
export function cutZipMaps(source: ByteSource): ZipMapCut | undefined {
  try {
    return cut(source);
  } catch (error) {
    if (isInspectionRefused(error)) return undefined;
    throw error;
  }
}

function cut(source: ByteSource): ZipMapCut | undefined {
  const reader = new WireReader(source);
  let found: { readonly graph: Range; readonly content: number; readonly edits: readonly Edit[] } | undefined;
  const classes = new Map<string, readonly (string | number)[]>();
  let hasDefaultDomain = false;
  for (let from = 0; reader.next(source.size); from = reader.position) {
    if (reader.field === MODEL.graph && found === undefined) {
      const to = reader.enter("the graph");
      const content = reader.position;
      const edits: Edit[] = [];
      const { zipMaps, outputs } = scan(reader, source, to);
      for (const zipMap of zipMaps) {
        const declared = outputs.get(zipMap.output);
        if (!declared) continue;
        edits.push(...editsOf(zipMap, declared));
        classes.set(zipMap.output, zipMap.classes);
      }
      if (edits.length === 0) return undefined;
      found = { graph: { from, to }, content, edits };
    } else if (reader.field === MODEL.opsetImport)
      hasDefaultDomain = importsDefault(reader, reader.enter("an operator set")) || hasDefaultDomain;
    else reader.skip();
  }
  if (!found) return undefined;
  return { pieces: piecesOf(found, { size: source.size, hasDefaultDomain }), classes };
}

/** The ZipMaps and the outputs of the main graph, which ends at `to`. */
function scan(
  reader: WireReader,
  source: ByteSource,
  to: number,
): { readonly zipMaps: readonly ZipMap[]; readonly outputs: ReadonlyMap<string, Range> } {
  const zipMaps: ZipMap[] = [];
  const outputs = new Map<string, Range>();
  for (let from = reader.position; reader.next(to); from = reader.position) {
    const { field } = reader;
    if (field === GRAPH.node) {
      const end = reader.enter("a node");
      const content = reader.position;
      if (!isZipMap(reader, end)) continue;
      const zipMap = readZipMap(part(source, { from: content, to: end }));
      if (zipMap) zipMaps.push({ ...zipMap, from, to: end });
    } else if (field === GRAPH.output) {
      const end = reader.enter("an output");
      outputs.set(nameOf(reader, end), { from, to: end });
    } else reader.skip();
  }
  return { zipMaps, outputs };
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

function nameOf(reader: WireReader, end: number): string {
  let name = "";
  while (reader.next(end)) {
    if (reader.field === 1) name = reader.text("a tensor's name");
    else reader.skip();
  }
  return name;
}

/** Whether the import that ends at `end` is of `ai.onnx`. */
function importsDefault(reader: WireReader, end: number): boolean {
  let domain = "";
  while (reader.next(end)) {
    if (reader.field === 1) domain = reader.text("an operator set's domain");
    else reader.skip();
  }
  return domainName(domain) === DEFAULT_DOMAIN;
}

interface Edit extends Range {
  readonly bytes: Uint8Array;
}

/** The node becomes an Identity, and the output is declared as the matrix. */
function editsOf({ input, output, classes, ...node }: ZipMap, declared: Range): readonly Edit[] {
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

function piecesOf(
  { graph, content, edits }: { readonly graph: Range; readonly content: number; readonly edits: readonly Edit[] },
  { size, hasDefaultDomain }: { readonly size: number; readonly hasDefaultDomain: boolean },
): readonly FilePiece[] {
  const grown = edits.reduce((sum, { from, to, bytes }) => sum + bytes.length - (to - from), 0);
  const pieces: FilePiece[] = [{ from: 0, to: graph.from }, fieldHead(MODEL.graph, graph.to - content + grown)];
  let at = content;
  for (const { from, to, bytes } of edits.toSorted((a, b) => a.from - b.from)) {
    pieces.push({ from: at, to: from }, bytes);
    at = to;
  }
  pieces.push({ from: at, to: size });
  if (!hasDefaultDomain)
    pieces.push(bytesField(MODEL.opsetImport, join([bytesField(1, ""), integerField(2, OPSET_OF_IDENTITY)])));
  return pieces;
}

/** A range of a source as a source. */
const part = (source: ByteSource, { from, to }: Range): ByteSource => ({
  size: to - from,
  read: (offset, length) => source.read(from + offset, length),
});
