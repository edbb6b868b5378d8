import {
  DOMAINS,
  domainName,
  MAX_GRAPH_DEPTH,
  MAX_INITIALIZERS,
  MAX_KEPT_NAME_BYTES,
  MAX_NODES,
  MAX_VALUES,
  OPSETS,
} from "./limits.ts";
import { skimValue, type DeclaredValue } from "./onnx-signature.ts";
import { skimTensor } from "./onnx-tensor.ts";
import { quote, SkimRefused } from "./inspection-refused.ts";
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
  string: 4,
  tensor: 5,
  graph: 6,
  strings: 9,
  tensors: 10,
  graphs: 11,
  docString: 13,
  sparseTensor: 22,
  sparseTensors: 23,
} as const;

/** What the main graph declares. */
export interface SkimmedGraph {
  readonly inputs: readonly DeclaredValue[];
  readonly outputs: readonly DeclaredValue[];
  readonly initializers: ReadonlySet<string>;
}

/**
 * Walks the main graph and, through the nodes' attributes, the graphs inside it: what is refused in one is refused in
 * all. The recursion is graph → node → attribute → graph, at most `MAX_GRAPH_DEPTH` times.
 */
export class GraphWalk {
  readonly #reader: WireReader;
  readonly #domains = new Set<string>();
  #nodes = 0;
  #initializers = 0;
  #values = 0;
  #keptBytes = 0;

  constructor(reader: WireReader) {
    this.#reader = reader;
  }

  /** Domains of the operators in use. */
  get domains(): ReadonlySet<string> {
    return this.#domains;
  }

  /** A GraphProto that ends at `end`. */
  walk(end: number, depth = 1): SkimmedGraph {
    if (depth > MAX_GRAPH_DEPTH)
      throw new SkimRefused(`graphs stand inside one another more than ${MAX_GRAPH_DEPTH} deep`);
    const reader = this.#reader;
    const inputs: DeclaredValue[] = [];
    const outputs: DeclaredValue[] = [];
    const initializers = new Set<string>();
    while (reader.next(end)) {
      switch (reader.field) {
        case GRAPH.node:
          this.#node(reader.enter("a node"), depth);
          break;
        case GRAPH.initializer:
          initializers.add(this.#initializer(reader.enter("an initializer")));
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
    return { inputs, outputs, initializers };
  }

  #initializer(end: number): string {
    if ((this.#initializers += 1) > MAX_INITIALIZERS)
      throw new SkimRefused(`the model has more than ${MAX_INITIALIZERS} initializers`);
    return this.#keep(skimTensor(this.#reader, end));
  }

  #value(end: number): DeclaredValue {
    if ((this.#values += 1) > MAX_VALUES)
      throw new SkimRefused(`the model has more than ${MAX_VALUES} inputs and outputs`);
    const value = skimValue(this.#reader, end);
    this.#keep(value.name);
    return value;
  }

  #keep(name: string): string {
    this.#keptBytes += name.length;
    if (this.#keptBytes > MAX_KEPT_NAME_BYTES)
      throw new SkimRefused(`the names of the model's tensors hold more than ${MAX_KEPT_NAME_BYTES} characters`);
    return name;
  }

  #node(end: number, depth: number): void {
    if ((this.#nodes += 1) > MAX_NODES) throw new SkimRefused(`the model has more than ${MAX_NODES} nodes`);
    const reader = this.#reader;
    let operator = "";
    let domain = "";
    while (reader.next(end)) {
      switch (reader.field) {
        case NODE.attribute:
          this.#attribute(reader.enter("an attribute"), depth);
          break;
        case NODE.opType:
          operator = reader.text("an operator's name");
          break;
        case NODE.domain:
          domain = reader.text("an operator's domain");
          break;
        case NODE.input:
        case NODE.output:
        case NODE.name:
        case NODE.docString:
          reader.skipText("a text of a node");
          break;
        default:
          reader.skip();
      }
    }
    this.#useDomain(domainName(domain), operator);
  }

  #useDomain(domain: string, operator: string): void {
    if (this.#domains.has(domain)) return;
    if (!OPSETS.has(domain)) {
      throw new SkimRefused(
        `operator ${quote(operator)} is from domain ${quote(domain)}; only ${DOMAINS} are served: export without custom or runtime-specific operators`,
      );
    }
    this.#domains.add(domain);
  }

  #attribute(end: number, depth: number): void {
    const reader = this.#reader;
    while (reader.next(end)) {
      switch (reader.field) {
        case ATTRIBUTE.tensor:
        case ATTRIBUTE.tensors:
          skimTensor(reader, reader.enter("an attribute's tensor"));
          break;
        case ATTRIBUTE.graph:
        case ATTRIBUTE.graphs:
          this.walk(reader.enter("an attribute's graph"), depth + 1);
          break;
        case ATTRIBUTE.sparseTensor:
        case ATTRIBUTE.sparseTensors:
          throw sparse();
        case ATTRIBUTE.name:
        case ATTRIBUTE.string:
        case ATTRIBUTE.strings:
        case ATTRIBUTE.docString:
          reader.skipText("a text of an attribute");
          break;
        default:
          reader.skip();
      }
    }
  }
}

const sparse = (): SkimRefused =>
  new SkimRefused("the model holds a sparse tensor, which is not served: convert it to a dense one");
