import type { InputDefault } from "../../../../shared/protocol/model-files/manifest.ts";
import type { ByteSource } from "../byte-source.ts";
import type { ConstantFacts } from "./batching/graph-facts.ts";
import { type Edit, type FilePiece, growthOf, piecesOf, type Range } from "./file-edit.ts";
import { isInspectionRefused } from "../inspection-refused.ts";
import { DEFAULT_DOMAIN, domainName, MAX_INITIALIZERS, MAX_TENSOR_NAME } from "./limits.ts";
import { optionalInputs, type Initializer } from "./optional-inputs.ts";
import { bytesField, fieldHead, integerField, join } from "./wire-writer.ts";
import { WireReader } from "./wire-reader.ts";
import { type ZipMap, zipMapAt, zipMapEdits } from "./zip-map.ts";

const MODEL = { irVersion: 1, graph: 7, opsetImport: 8 } as const;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 } as const;
const NAME = { tensor: 8, value: 1 } as const;
/** Identity is in every version; this one is for models that import no other operator of `ai.onnx`. */
const OPSET_OF_IDENTITY = 13;

/** What is changed in a graph so that it can be served. */
export interface GraphEdit {
  /** The edited file, in order; undefined when it is served as it came. */
  readonly pieces: readonly FilePiece[] | undefined;
  /** Output whose ZipMap was cut → its classes, in the order of the columns. */
  readonly classes: ReadonlyMap<string, readonly (string | number)[]>;
  /** Inputs that a caller may leave out, with their values then. */
  readonly defaults: readonly InputDefault[];
  /** The same as the row proof sees constants. */
  readonly constants: ReadonlyMap<string, ConstantFacts>;
  /** What its publisher should know, in sentences. */
  readonly notes: readonly string[];
}

const NOTHING: GraphEdit = { pieces: undefined, classes: new Map(), defaults: [], constants: new Map(), notes: [] };

/** What to change in an ONNX file; nothing when it is no whole ONNX file. */
export function editGraph(source: ByteSource): GraphEdit {
  try {
    return edit(source, scanModel(source));
  } catch (error) {
    if (isInspectionRefused(error)) return NOTHING;
    throw error;
  }
}

interface Graph extends Range {
  /** Where its fields begin. */
  readonly content: number;
  readonly zipMaps: readonly ZipMap[];
  readonly inputs: readonly string[];
  readonly outputs: ReadonlyMap<string, Range>;
  readonly initializers: ReadonlyMap<string, Initializer>;
}

interface Model {
  readonly irVersion: number;
  readonly hasDefaultDomain: boolean;
  readonly graph: Graph | undefined;
}

function edit(source: ByteSource, { irVersion, hasDefaultDomain, graph }: Model): GraphEdit {
  if (!graph) return NOTHING;
  const cut = graph.zipMaps.flatMap((zipMap) => {
    const declared = graph.outputs.get(zipMap.output);
    return declared ? [{ zipMap, edits: zipMapEdits(zipMap, declared) }] : [];
  });
  const { defaults, constants, notes, edits: removed } = optionalInputs(source, { ...graph, irVersion });
  const edits = [...cut.flatMap((each) => each.edits), ...removed];
  const classes = new Map(cut.map(({ zipMap: { output, classes: of } }) => [output, of]));
  if (edits.length === 0) return { ...NOTHING, notes };
  const needsImport = cut.length > 0 && !hasDefaultDomain;
  const pieces = editedPieces(graph, { edits, size: source.size, needsImport });
  return { pieces, classes, defaults, constants, notes };
}

function editedPieces(
  graph: Graph,
  {
    edits,
    size,
    needsImport,
  }: { readonly edits: readonly Edit[]; readonly size: number; readonly needsImport: boolean },
): readonly FilePiece[] {
  const length = graph.to - graph.content + growthOf(edits);
  const imported = bytesField(MODEL.opsetImport, join([bytesField(1, ""), integerField(2, OPSET_OF_IDENTITY)]));
  return [
    { from: 0, to: graph.from },
    fieldHead(MODEL.graph, length),
    ...piecesOf({ from: graph.content, to: size }, edits),
    ...(needsImport ? [imported] : []),
  ];
}

function scanModel(source: ByteSource): Model {
  const reader = new WireReader(source);
  let irVersion = 0;
  let hasDefaultDomain = false;
  let graph: Graph | undefined;
  for (let from = 0; reader.next(source.size); from = reader.position) {
    if (reader.field === MODEL.irVersion) irVersion = reader.integer("ir_version");
    else if (reader.field === MODEL.graph && graph === undefined) {
      const to = reader.enter("the graph");
      graph = scanGraph(reader, source, { from, to });
    } else if (reader.field === MODEL.opsetImport)
      hasDefaultDomain = importsDefault(reader, reader.enter("an operator set")) || hasDefaultDomain;
    else reader.skip();
  }
  return { irVersion, hasDefaultDomain, graph };
}

function scanGraph(reader: WireReader, source: ByteSource, range: Range): Graph {
  const content = reader.position;
  const zipMaps: ZipMap[] = [];
  const inputs: string[] = [];
  const outputs = new Map<string, Range>();
  const initializers = new Map<string, Initializer>();
  for (let from = reader.position; reader.next(range.to); from = reader.position) {
    const { field } = reader;
    if (field === GRAPH.node) {
      const zipMap = zipMapAt(reader, source, { from, to: reader.enter("a node") });
      if (zipMap) zipMaps.push(zipMap);
    } else if (field === GRAPH.input) {
      const name = nameIn(reader, reader.enter("an input"), NAME.value);
      if (name !== undefined && inputs.length < MAX_INITIALIZERS) inputs.push(name);
    } else if (field === GRAPH.output) {
      const to = reader.enter("an output");
      outputs.set(nameIn(reader, to, NAME.value) ?? "", { from, to });
    } else if (field === GRAPH.initializer) {
      const to = reader.enter("an initializer");
      const contentFrom = reader.position;
      const name = nameIn(reader, to, NAME.tensor);
      if (name !== undefined && initializers.size < MAX_INITIALIZERS)
        initializers.set(name, { from, to, content: contentFrom });
    } else reader.skip();
  }
  return { ...range, content, zipMaps, inputs, outputs, initializers };
}

/** The name in field `number` of the message that ends at `end`; undefined when it has none, or one that no input may have. */
function nameIn(reader: WireReader, end: number, number: number): string | undefined {
  let name: string | undefined;
  while (reader.next(end)) {
    if (reader.field !== number) reader.skip();
    else {
      const { bytes } = reader.smallBytes("a tensor's name", MAX_TENSOR_NAME);
      name = bytes && new TextDecoder().decode(bytes);
    }
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
