import { LAST_LOGITS, NEW_KEYS_AND_VALUES, presentOutputs } from "../../../../shared/text/decoder-model.ts";
import type { ByteSource } from "../byte-source.ts";
import { InspectionRefused } from "../inspection-refused.ts";
import { type Edit, type FilePiece, growthOf, piecesOf, type Range } from "./file-edit.ts";
import { bytesField, fieldHead, integerField, join } from "./wire-writer.ts";
import { WireReader } from "./wire-reader.ts";

/**
 * A decoder as exporters write it puts out its whole cache and the logits of every token for each token that it makes. Bringing all
 * of that out of the runtime costs more than a small model computes (0.27 ms for each MB), so the graph is given outputs for
 * what is new: the keys and values of the new tokens, joined, as each output costs 10 µs, and the logits of the last one. The old
 * outputs become inner tensors.
 */

const MODEL = { graph: 7 } as const;
const GRAPH = { node: 1, initializer: 5, output: 12 } as const;
const NODE = { input: 1, output: 2, operator: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { name: 1, integer: 3, integers: 8, type: 20 } as const;
const INTEGER = 2;
const INTEGERS = 7;
const TENSOR = { dims: 1, dataType: 2, name: 8, rawData: 9 } as const;
const VALUE_NAME = 1;
const INT64 = 7;
/** From this version on, ReduceSum takes its axes as an input. */
const AXES_AS_INPUT = 13;
/** Slice and GatherElements in the forms that are used here. */
const FIRST_OPSET = 11;
const LOGITS = "logits";
/** Before the names of what is added. */
const OWN = "skerry.";

/** What is read of a decoder's graph beside its inputs and outputs. */
export interface DecoderNodes {
  /** How most of the weights are stored, e.g. `4 bit`; of plain ones the type of the cache. */
  readonly weights: string | undefined;
  /** Attention is one operator, which keeps the tokens of each row at the beginning of its cache. */
  readonly isFused: boolean;
}

interface Graph extends Range {
  /** Where its fields begin. */
  readonly content: number;
  readonly outputs: ReadonlyMap<string, Range>;
  readonly nodes: DecoderNodes;
}

/** The file with outputs for what is new. Throws `InspectionRefused`. */
export function newOutputsOnly(
  source: ByteSource,
  of: { readonly layers: number; readonly heads: number; readonly headSize: number; readonly opset: number },
): readonly FilePiece[] {
  const graph = scan(source);
  if (of.opset < FIRST_OPSET)
    throw new InspectionRefused(
      `its operator set is ${of.opset}; a decoder needs ${FIRST_OPSET} or later: export it again`,
    );
  const removed = [LOGITS, ...presentOutputs(of.layers)].map((name): Edit => {
    const range = graph.outputs.get(name);
    if (range === undefined) throw new InspectionRefused(`the graph puts out no ${name}`);
    return { ...range, bytes: new Uint8Array(0) };
  });
  const added = graph.nodes.isFused ? gathered(of) : sliced(of.layers);
  const fields = [...added, ...joinedOf(of.layers), ...lastLogits(), ...constants(of)];
  const edits = [...removed, { from: graph.to, to: graph.to, bytes: join(fields) }];
  return [
    { from: 0, to: graph.from },
    fieldHead(MODEL.graph, graph.to - graph.content + growthOf(edits)),
    ...piecesOf({ from: graph.content, to: source.size }, edits),
  ];
}

/** Throws `InspectionRefused` for what is no ONNX file. */
export const decoderNodes = (source: ByteSource): DecoderNodes => scan(source).nodes;

/** The new ones are at the end of the whole: the old ones come first. */
const sliced = (layers: number): readonly Uint8Array[] => [
  node("Shape", ["input_ids"], "shape"),
  node("Gather", [own("shape"), own("1")], "count"),
  node("Neg", [own("count")], "start"),
  ...presentOutputs(layers).map((name) => node("Slice", [name, own("start"), own("end"), own("2")], `new.${name}`)),
];

/** The new ones follow the tokens of each row, which the mask counts. */
function gathered({ layers, opset }: { readonly layers: number; readonly opset: number }): readonly Uint8Array[] {
  const sum =
    opset >= AXES_AS_INPUT
      ? node("ReduceSum", ["attention_mask", own("1")], "lengths")
      : node("ReduceSum", ["attention_mask"], "lengths", [attribute("axes", INTEGERS, [1])]);
  return [
    node("Shape", ["input_ids"], "shape"),
    node("Gather", [own("shape"), own("one")], "count"),
    sum,
    node("Sub", [own("lengths"), own("count")], "starts"),
    node("Range", [own("zero"), own("count"), own("one")], "steps"),
    node("Add", [own("starts"), own("steps")], "places"),
    node("Reshape", [own("places"), own("column")], "columns"),
    node("Expand", [own("columns"), own("row")], "indices"),
    ...presentOutputs(layers).map((name) =>
      node("GatherElements", [name, own("indices")], `new.${name}`, [attribute("axis", INTEGER, [2])]),
    ),
  ];
}

const joinedOf = (layers: number): readonly Uint8Array[] => [
  written(
    "Concat",
    presentOutputs(layers).map((name) => own(`new.${name}`)),
    NEW_KEYS_AND_VALUES,
    [attribute("axis", INTEGER, [0])],
  ),
  output(NEW_KEYS_AND_VALUES),
];

const lastLogits = (): readonly Uint8Array[] => [
  written("Slice", [LOGITS, own("last"), own("end"), own("1")], LAST_LOGITS),
  output(LAST_LOGITS),
];

const constants = ({
  heads,
  headSize,
}: {
  readonly heads: number;
  readonly headSize: number;
}): readonly Uint8Array[] => [
  tensor("1", [1n]),
  tensor("2", [2n]),
  tensor("last", [-1n]),
  tensor("end", [2n ** 63n - 1n]),
  tensor("zero", 0n),
  tensor("one", 1n),
  tensor("column", [0n, 1n, -1n, 1n]),
  tensor("row", [1n, BigInt(heads), 1n, BigInt(headSize)]),
];

const own = (name: string): string => OWN + name;

const node = (operator: string, inputs: readonly string[], to: string, attributes: readonly Uint8Array[] = []) =>
  written(operator, inputs, own(to), attributes);

function written(
  operator: string,
  inputs: readonly string[],
  to: string,
  attributes: readonly Uint8Array[] = [],
): Uint8Array {
  const parts = [
    ...inputs.map((input) => bytesField(NODE.input, input)),
    bytesField(NODE.output, to),
    bytesField(NODE.operator, operator),
    ...attributes.map((each) => bytesField(NODE.attribute, each)),
  ];
  return bytesField(GRAPH.node, join(parts));
}

const attribute = (name: string, type: number, values: readonly number[]): Uint8Array =>
  join([
    bytesField(ATTRIBUTE.name, name),
    ...values.map((value) => integerField(type === INTEGER ? ATTRIBUTE.integer : ATTRIBUTE.integers, value)),
    integerField(ATTRIBUTE.type, type),
  ]);

/** Without a type: the runtime infers it. */
const output = (name: string): Uint8Array => bytesField(GRAPH.output, bytesField(VALUE_NAME, name));

/** A list, or one number without dimensions. */
function tensor(name: string, values: bigint | readonly bigint[]): Uint8Array {
  const list = typeof values === "bigint" ? [values] : values;
  const raw = new Uint8Array(8 * list.length);
  const view = new DataView(raw.buffer);
  list.forEach((value, at) => view.setBigInt64(8 * at, value, true));
  const parts = [
    ...(typeof values === "bigint" ? [] : [integerField(TENSOR.dims, list.length)]),
    integerField(TENSOR.dataType, INT64),
    bytesField(TENSOR.name, own(name)),
    bytesField(TENSOR.rawData, raw),
  ];
  return bytesField(GRAPH.initializer, join(parts));
}

function scan(source: ByteSource): Graph {
  const reader = new WireReader(source);
  for (let from = 0; reader.next(source.size); from = reader.position) {
    if (reader.field !== MODEL.graph) reader.skip();
    else return scanGraph(reader, { from, to: reader.enter("the graph") });
  }
  throw new InspectionRefused("not an ONNX model: the file holds no graph");
}

function scanGraph(reader: WireReader, range: Range): Graph {
  const content = reader.position;
  const outputs = new Map<string, Range>();
  const operators = new Set<string>();
  let bits: number | undefined;
  for (let from = reader.position; reader.next(range.to); from = reader.position) {
    if (reader.field === GRAPH.output) {
      const to = reader.enter("an output");
      outputs.set(nameIn(reader, to), { from, to });
    } else if (reader.field === GRAPH.node) {
      const found = operatorIn(reader, reader.enter("a node"));
      operators.add(found.operator);
      if (found.operator === "MatMulNBits") bits ??= found.bits;
    } else reader.skip();
  }
  const has = (operator: string): boolean => operators.has(operator);
  const isByte = ["MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"].some(has);
  const weights = has("MatMulNBits") ? `${bits ?? 4} bit` : isByte ? "8 bit" : undefined;
  return { ...range, content, outputs, nodes: { weights, isFused: has("GroupQueryAttention") } };
}

function nameIn(reader: WireReader, end: number): string {
  let name = "";
  while (reader.next(end)) {
    if (reader.field === VALUE_NAME) name = reader.text("a tensor's name");
    else reader.skip();
  }
  return name;
}

function operatorIn(reader: WireReader, end: number): { readonly operator: string; readonly bits: number | undefined } {
  let operator = "";
  let bits: number | undefined;
  while (reader.next(end)) {
    if (reader.field === NODE.operator) operator = reader.text("an operator's name");
    else if (reader.field === NODE.attribute) bits = bitsIn(reader, reader.enter("an attribute")) ?? bits;
    else reader.skip();
  }
  return { operator, bits };
}

function bitsIn(reader: WireReader, end: number): number | undefined {
  let name = "";
  let value: number | undefined;
  while (reader.next(end)) {
    if (reader.field === ATTRIBUTE.name) name = reader.text("an attribute's name");
    else if (reader.field === ATTRIBUTE.integer) value = reader.integer("an attribute's number");
    else reader.skip();
  }
  return name === "bits" ? value : undefined;
}
