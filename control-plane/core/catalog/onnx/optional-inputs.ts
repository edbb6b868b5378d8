import type { InputDefault } from "../../../../shared/protocol/model-files/manifest.ts";
import { MAX_DEFAULT_BYTES, MAX_OPTIONAL_INPUTS } from "../../../../shared/protocol/model-files/manifest.ts";
import type { ByteSource } from "../byte-source.ts";
import type { ConstantFacts } from "./batching/graph-facts.ts";
import { type Edit, partOf, type Range } from "./file-edit.ts";
import { quote } from "../inspection-refused.ts";
import { tensorValues } from "./tensor-values.ts";

/**
 * An input with an initializer of its name is optional: a caller may give it, and the initializer is its default. The runtime's
 * binding takes such a value without a word and computes with the default. So the initializer is taken out of the graph,
 * and the model host gives the default where the caller gives nothing.
 */

/** From this version on an initializer is an input only when the exporter means it; before it, each one is. */
const FIRST_IR_VERSION = 4;
const NOTHING_INSTEAD = new Uint8Array(0);

/** Where an initializer is, and where its fields begin. */
export interface Initializer extends Range {
  readonly content: number;
}

interface OptionalInputs {
  readonly defaults: readonly InputDefault[];
  readonly constants: ReadonlyMap<string, ConstantFacts>;
  readonly edits: readonly Edit[];
  readonly notes: readonly string[];
}

/** The optional inputs of a graph that can be given, and a note on those that cannot and stay constants. */
export function optionalInputs(
  source: ByteSource,
  graph: {
    readonly irVersion: number;
    readonly inputs: readonly string[];
    readonly initializers: ReadonlyMap<string, Initializer>;
  },
): OptionalInputs {
  const defaults: InputDefault[] = [];
  const constants = new Map<string, ConstantFacts>();
  const edits: Edit[] = [];
  const notes: string[] = [];
  const found = graph.inputs.flatMap((name) => {
    const initializer = graph.initializers.get(name);
    return initializer ? [{ name, initializer }] : [];
  });
  if (found.length === 0 || graph.irVersion < FIRST_IR_VERSION) return { defaults, constants, edits, notes };
  if (found.length > MAX_OPTIONAL_INPUTS) {
    notes.push(
      `${found.length} inputs have a default value, more than ${MAX_OPTIONAL_INPUTS}: they are taken for weights, stay constants and cannot be given`,
    );
    return { defaults, constants, edits, notes };
  }
  for (const { name, initializer } of found) {
    const tensor = tensorValues(partOf(source, { from: initializer.content, to: initializer.to }), MAX_DEFAULT_BYTES);
    if ("why" in tensor) {
      notes.push(
        `input ${quote(name)} has a default value that ${tensor.why}: it stays a constant and cannot be given`,
      );
      continue;
    }
    const { datatype, shape, bytes, integers } = tensor;
    defaults.push({ name, datatype, shape: [...shape], data: base64(bytes) });
    constants.set(name, { dims: shape, integers });
    edits.push({ from: initializer.from, to: initializer.to, bytes: NOTHING_INSTEAD });
  }
  return { defaults, constants, edits, notes };
}

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));
