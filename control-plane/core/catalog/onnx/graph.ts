import type { ExternalFiles } from "./external-data.ts";
import {
  DOMAINS,
  domainName,
  MAX_GRAPH_DEPTH,
  MAX_INITIALIZERS,
  MAX_KEPT_NAME_BYTES,
  MAX_NODES,
  MAX_VALUES,
  OPSETS,
  PROCESSOR_DOMAINS,
} from "./limits.ts";
import { readValue, type DeclaredValue } from "./signature.ts";
import { MAX_KEPT_INTEGERS, type ConstantFacts, type GraphNode } from "./batching/graph-facts.ts";
import { notUtf8, readTensor } from "./tensor.ts";
import { quote, InspectionRefused } from "../inspection-refused.ts";
import type { WireReader } from "./wire-reader.ts";

const GRAPH = {
  node: 1,
  name: 2,
  initializer: 5,
  docString: 10,
  input: 11,
  output: 12,
  sparseInitializer: 15,
} as const;
const NODE = { input: 1, output: 2, name: 3, opType: 4, attribute: 5, docString: 6, domain: 7 } as const;
const ATTRIBUTE = {
  name: 1,
  integer: 3,
  string: 4,
  tensor: 5,
  graph: 6,
  integers: 8,
  strings: 9,
  tensors: 10,
  graphs: 11,
  docString: 13,
  sparseTensor: 22,
  sparseTensors: 23,
} as const;

/** Names of tensors between nodes that are kept for the row proof. The largest exports of transformers stay below 4 MiB. */
const MAX_WIRING_BYTES = 16 * 1024 ** 2;
const MAX_ATTRIBUTE_TEXT = 64;

/** What the main graph declares. */
export interface InspectedGraph {
  readonly inputs: readonly DeclaredValue[];
  readonly outputs: readonly DeclaredValue[];
  readonly initializers: ReadonlyMap<string, ConstantFacts>;
  /** Undefined when the graph is too large to be examined. */
  readonly nodes: readonly GraphNode[] | undefined;
}

/**
 * Walks the main graph and, through the nodes' attributes, the graphs inside it: what is refused in one is refused in
 * all. The recursion is graph → node → attribute → graph, at most `MAX_GRAPH_DEPTH` times.
 */
export class GraphWalk {
  readonly #reader: WireReader;
  readonly #external: ExternalFiles;
  readonly #domains = new Set<string>();
  #nodes = 0;
  #initializers = 0;
  #values = 0;
  #keptBytes = 0;
  #wiringBytes = 0;

  /** `external`: files beside this one, in which initializers may lie. */
  constructor(reader: WireReader, external: ExternalFiles) {
    this.#reader = reader;
    this.#external = external;
  }

  /** Domains of the operators in use. */
  get domains(): ReadonlySet<string> {
    return this.#domains;
  }

  /** A GraphProto that ends at `end`. */
  walk(end: number, depth = 1): InspectedGraph {
    if (depth > MAX_GRAPH_DEPTH)
      throw new InspectionRefused(`graphs stand inside one another more than ${MAX_GRAPH_DEPTH} deep`);
    const reader = this.#reader;
    const inputs: DeclaredValue[] = [];
    const outputs: DeclaredValue[] = [];
    const initializers = new Map<string, ConstantFacts>();
    const nodes: GraphNode[] = [];
    while (reader.next(end)) {
      switch (reader.field) {
        case GRAPH.node:
          this.#node(reader.enter("a node"), depth, nodes);
          break;
        case GRAPH.initializer:
          this.#initializer(reader.enter("an initializer"), initializers);
          break;
        case GRAPH.input:
          inputs.push(this.#value(reader.enter("an input")));
          break;
        case GRAPH.output:
          outputs.push(this.#value(reader.enter("an output")));
          break;
        case GRAPH.sparseInitializer:
          throw sparse();
        case GRAPH.name:
        case GRAPH.docString:
          reader.skipText("a text of the graph");
          break;
        default:
          reader.skip();
      }
    }
    return { inputs, outputs, initializers, nodes: this.#isTooLarge ? undefined : nodes };
  }

  get #isTooLarge(): boolean {
    return this.#wiringBytes > MAX_WIRING_BYTES;
  }

  #initializer(end: number, into: Map<string, ConstantFacts>): void {
    if ((this.#initializers += 1) > MAX_INITIALIZERS)
      throw new InspectionRefused(`the model has more than ${MAX_INITIALIZERS} initializers`);
    const { name, ...facts } = readTensor(this.#reader, end, this.#external);
    into.set(this.#keep(name), facts);
  }

  #value(end: number): DeclaredValue {
    if ((this.#values += 1) > MAX_VALUES)
      throw new InspectionRefused(`the model has more than ${MAX_VALUES} inputs and outputs`);
    const value = readValue(this.#reader, end);
    this.#keep(value.name);
    return value;
  }

  #keep(name: string): string {
    this.#keptBytes += name.length;
    if (this.#keptBytes > MAX_KEPT_NAME_BYTES)
      throw new InspectionRefused(`the names of the model's tensors hold more than ${MAX_KEPT_NAME_BYTES} characters`);
    return name;
  }

  #node(end: number, depth: number, into: GraphNode[]): void {
    if ((this.#nodes += 1) > MAX_NODES) throw new InspectionRefused(`the model has more than ${MAX_NODES} nodes`);
    const reader = this.#reader;
    const node: MutableNode = {
      operator: "",
      domain: "",
      inputs: [],
      outputs: [],
      integers: new Map(),
      texts: new Map(),
      tensor: undefined,
      hasSubgraph: false,
    };
    while (reader.next(end)) {
      switch (reader.field) {
        case NODE.attribute:
          this.#attribute(reader.enter("an attribute"), depth, node);
          break;
        case NODE.opType:
          node.operator = reader.text("an operator's name");
          break;
        case NODE.domain:
          node.domain = reader.text("an operator's domain");
          break;
        case NODE.input:
          node.inputs.push(this.#wire());
          break;
        case NODE.output:
          node.outputs.push(this.#wire());
          break;
        case NODE.name:
        case NODE.docString:
          reader.skipText("a text of a node");
          break;
        default:
          reader.skip();
      }
    }
    const domain = domainName(node.domain);
    this.#useDomain(domain, node.operator);
    if (depth === 1 && !this.#isTooLarge) into.push({ ...node, domain });
  }

  /** The name of a tensor that a node reads or writes. */
  #wire(): string {
    const name = this.#reader.text("the name of a node's tensor");
    this.#wiringBytes += name.length;
    return this.#isTooLarge ? "" : name;
  }

  #useDomain(domain: string, operator: string): void {
    if (this.#domains.has(domain)) return;
    if (PROCESSOR_DOMAINS.has(domain)) {
      throw new InspectionRefused(
        `operator ${quote(operator)} is from domain ${quote(domain)}, a layout for one kind of processor: save the model with graph optimization level ORT_ENABLE_EXTENDED or lower, or publish the one before optimization`,
      );
    }
    if (!OPSETS.has(domain)) {
      throw new InspectionRefused(
        `operator ${quote(operator)} is from domain ${quote(domain)}; only ${DOMAINS} are served: export without custom operators`,
      );
    }
    this.#domains.add(domain);
  }

  #attribute(end: number, depth: number, node: MutableNode): void {
    const reader = this.#reader;
    const integers: number[] = [];
    let name = "";
    let text: string | undefined;
    let texts = 0;
    let brokenText: number | undefined;
    while (reader.next(end)) {
      switch (reader.field) {
        case ATTRIBUTE.name:
          name = reader.text("an attribute's name");
          break;
        case ATTRIBUTE.integer:
        case ATTRIBUTE.integers:
          reader.integers("an attribute's number", (value) => {
            if (integers.length <= MAX_KEPT_INTEGERS) integers.push(value);
          });
          break;
        case ATTRIBUTE.string:
        case ATTRIBUTE.strings:
          text = reader.label("an attribute's text");
          if (text === undefined) brokenText ??= texts;
          texts += 1;
          break;
        case ATTRIBUTE.tensor:
        case ATTRIBUTE.tensors:
          node.tensor = readTensor(reader, reader.enter("an attribute's tensor"));
          break;
        case ATTRIBUTE.graph:
        case ATTRIBUTE.graphs:
          node.hasSubgraph = true;
          this.walk(reader.enter("an attribute's graph"), depth + 1);
          break;
        case ATTRIBUTE.sparseTensor:
        case ATTRIBUTE.sparseTensors:
          throw sparse();
        case ATTRIBUTE.docString:
          reader.skipText("a text of an attribute");
          break;
        default:
          reader.skip();
      }
    }
    if (integers.length > 0 && integers.length <= MAX_KEPT_INTEGERS) node.integers.set(name, integers);
    if (brokenText !== undefined)
      throw notUtf8(`element ${brokenText} of attribute ${quote(name)} of an operator ${quote(node.operator)}`);
    if (text && text.length <= MAX_ATTRIBUTE_TEXT) node.texts.set(name, text);
  }
}

/** A node while it is read. */
interface MutableNode {
  operator: string;
  domain: string;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly integers: Map<string, readonly number[]>;
  readonly texts: Map<string, string>;
  tensor: ConstantFacts | undefined;
  hasSubgraph: boolean;
}

const sparse = (): InspectionRefused =>
  new InspectionRefused("the model holds a sparse tensor, which is not served: convert it to a dense one");
