import { FORMAT_HEAD_BYTES, foreignFormat } from "../../../../shared/protocol/model-files/foreign-format.ts";
import type { RowProof, TensorSpec } from "../../../../shared/protocol/model-files/manifest.ts";
import type { ByteSource } from "../byte-source.ts";
import type { ConstantFacts } from "./batching/graph-facts.ts";
import { proveRowIndependence } from "./batching/prove.ts";
import type { ExternalFiles } from "./external-data.ts";
import { DEFAULT_DOMAIN, domainName, IR_VERSIONS, MAX_FILE_BYTES, MAX_IMPORTS, OPSETS } from "./limits.ts";
import { withLabelShapes } from "./label-shapes.ts";
import { GraphWalk, type InspectedGraph } from "./graph.ts";
import { toTensorSpec, type DeclaredValue } from "./signature.ts";
import { isInspectionRefused, printable, quote, InspectionRefused } from "../inspection-refused.ts";
import { WireReader } from "./wire-reader.ts";

const MODEL = {
  irVersion: 1,
  opsetImport: 8,
  producerName: 2,
  producerVersion: 3,
  domain: 4,
  docString: 6,
  graph: 7,
  trainingInfo: 20,
  functions: 25,
} as const;

const MAX_PRODUCER_CHARACTERS = 100;

/** What the catalog keeps of a model's file. */
export interface OnnxModel {
  readonly irVersion: number;
  /** Domain → version of the operator sets that it uses. */
  readonly opsets: Readonly<Record<string, number>>;
  /** The version of `ai.onnx`; 1, which every runtime knows, when the model uses none of its operators. */
  readonly opset: number;
  /** Name and version of what wrote the file; may be empty. */
  readonly producer: string;
  /** What a caller sends: the graph's inputs without those that are constants; some may be left out. */
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Whether requests may share a run of it. */
  readonly rows: RowProof;
}

export type OnnxInspection =
  | { readonly kind: "model"; readonly model: OnnxModel }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Reads what matters out of an ONNX file without believing any of it: bounded in depth, counts, string lengths and
 * memory, one pass forwards, tensors passed over. Initializers may lie in `external` files, by default in none. `optional`:
 * inputs that have a default value, which is no part of the file. Throws only what the source throws.
 */
export function inspectOnnx(
  source: ByteSource,
  external: ExternalFiles = new Map(),
  optional: ReadonlyMap<string, ConstantFacts> = new Map(),
): OnnxInspection {
  try {
    return { kind: "model", model: inspectModel(source, external, optional) };
  } catch (error) {
    if (!isInspectionRefused(error)) throw error;
    const instead = foreignFormat(source.read(0, Math.min(FORMAT_HEAD_BYTES, source.size)));
    return { kind: "refused", reason: instead === undefined ? error.message : `this is ${instead.is}: ${instead.fix}` };
  }
}

/** The fields of a ModelProto, as far as they were met. */
interface Parts {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  graph: InspectedGraph | undefined;
  readonly opsets: Map<string, number>;
}

function inspectModel(
  source: ByteSource,
  external: ExternalFiles,
  optional: ReadonlyMap<string, ConstantFacts>,
): OnnxModel {
  if (source.size === 0) throw new InspectionRefused("the file is empty");
  if (source.size > MAX_FILE_BYTES)
    throw new InspectionRefused(`the file has ${source.size} bytes; at most ${MAX_FILE_BYTES} are allowed`);
  const reader = new WireReader(source);
  const walk = new GraphWalk(reader, external);
  const parts: Parts = { irVersion: 0, producerName: "", producerVersion: "", graph: undefined, opsets: new Map() };
  while (reader.next(source.size)) skimModelField(reader, { walk, parts });
  const { graph, irVersion, opsets } = parts;
  if (!graph) throw new InspectionRefused("not an ONNX model: the file holds no graph");
  checkVersions(irVersion, opsets, walk.domains);
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  return {
    irVersion,
    opsets: Object.fromEntries([...opsets].filter(([domain]) => domain === DEFAULT_DOMAIN || walk.domains.has(domain))),
    opset: opsets.get(DEFAULT_DOMAIN) ?? 1,
    producer: printable(`${parts.producerName} ${parts.producerVersion}`.trim()).slice(0, MAX_PRODUCER_CHARACTERS),
    inputs: signature(inputs, "input").map((input) =>
      optional.has(input.name) ? { ...input, parameters: { optional: true as const } } : input,
    ),
    outputs: withLabelShapes(signature(graph.outputs, "output"), graph.nodes ?? []),
    rows: rowsOf(graph, inputs, { optional, opset: opsets.get(DEFAULT_DOMAIN) ?? 1 }),
  };
}

/** Requests that give an optional input run alone; for all others it is a constant. */
function rowsOf(
  graph: InspectedGraph,
  inputs: readonly DeclaredValue[],
  { optional, opset }: { readonly optional: ReadonlyMap<string, ConstantFacts>; readonly opset: number },
): RowProof {
  const { nodes, initializers, outputs } = graph;
  if (!nodes) return { kind: "unproved", reason: "the graph is too large to be examined" };
  const required = inputs.filter(({ name }) => !optional.has(name));
  return proveRowIndependence({
    nodes,
    constants: new Map([...initializers, ...optional]),
    inputs: required.map(({ name, type }) => ({ name, shape: type?.shape ?? [] })),
    outputs: outputs.map(({ name }) => name),
    opset,
  });
}

function skimModelField(
  reader: WireReader,
  { walk, parts }: { readonly walk: GraphWalk; readonly parts: Parts },
): void {
  switch (reader.field) {
    case MODEL.irVersion:
      parts.irVersion = reader.integer("ir_version");
      break;
    case MODEL.opsetImport:
      skimOpset(reader, parts.opsets);
      break;
    case MODEL.producerName:
      parts.producerName = reader.text("producer_name");
      break;
    case MODEL.producerVersion:
      parts.producerVersion = reader.text("producer_version");
      break;
    case MODEL.domain:
    case MODEL.docString:
      reader.skipText("a text of the model");
      break;
    case MODEL.graph:
      // A parser would merge the two; what one of them says alone would mean nothing.
      if (parts.graph) throw new InspectionRefused("the file holds two graphs");
      parts.graph = walk.walk(reader.enter("the graph"));
      break;
    case MODEL.trainingInfo:
      throw new InspectionRefused("the model holds training information: export it for inference");
    case MODEL.functions:
      throw new InspectionRefused(
        "the model defines functions of its own: export it with them inlined, for example with onnx.inliner.inline_local_functions",
      );
    default:
      reader.skip();
  }
}

function skimOpset(reader: WireReader, opsets: Map<string, number>): void {
  const end = reader.enter("opset_import");
  let domain = "";
  let version = 0;
  while (reader.next(end)) {
    if (reader.field === 1) domain = reader.text("an operator set's domain");
    else if (reader.field === 2) version = reader.integer("an operator set's version");
    else reader.skip();
  }
  const name = domainName(domain);
  if (opsets.has(name) && opsets.get(name) !== version)
    throw new InspectionRefused(`the model imports ${name} in two versions`);
  if (opsets.size === MAX_IMPORTS)
    throw new InspectionRefused(`the model imports more than ${MAX_IMPORTS} operator sets`);
  opsets.set(name, version);
}

function checkVersions(irVersion: number, opsets: ReadonlyMap<string, number>, used: ReadonlySet<string>): void {
  if (irVersion < IR_VERSIONS.from || irVersion > IR_VERSIONS.to) {
    throw new InspectionRefused(`ir_version is ${irVersion}; ${IR_VERSIONS.from} to ${IR_VERSIONS.to} are served`);
  }
  for (const domain of used)
    if (!opsets.has(domain))
      throw new InspectionRefused(`the model uses operators of ${domain} without importing that set`);
  for (const domain of [DEFAULT_DOMAIN, ...used]) {
    const version = opsets.get(domain);
    const range = OPSETS.get(domain);
    if (version === undefined || (range && version >= range.from && version <= range.to)) continue;
    throw new InspectionRefused(
      `version ${version} of the operator set ${domain}; ${range?.from} to ${range?.to} are served: export with another opset_version`,
    );
  }
}

function signature(values: readonly DeclaredValue[], side: "input" | "output"): readonly TensorSpec[] {
  if (values.length === 0 && side === "output") throw new InspectionRefused("the graph has no outputs");
  const specs = values.map((value) => toTensorSpec(value, side));
  const names = new Set<string>();
  for (const { name } of specs) {
    if (names.has(name)) throw new InspectionRefused(`two ${side}s are called ${quote(name)}`);
    names.add(name);
  }
  return specs;
}
