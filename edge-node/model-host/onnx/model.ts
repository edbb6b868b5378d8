import { InferenceSession } from "onnxruntime-node";
import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { MAX_RANK, type TensorSignature } from "../../../shared/inference/tensors/shape.ts";
import { datatypeOf, fromRuntime, toRuntime } from "./runtime-tensor.ts";

export interface LoadedModel {
  /** What every run needs. */
  readonly inputs: readonly TensorSignature[];
  /** What a run may be given, and has a default value else. */
  readonly optional: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  /** Answers the named outputs, in that order. Blocks the thread while the model runs. */
  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<readonly Tensor[]>;
}

const ONE_THREAD = 1;

/**
 * The only options that Skerry gives the runtime; nothing here comes from outside. The file is loaded by path, because
 * loading from bytes lets a model read files of the working directory.
 */
const SESSION_OPTIONS = {
  executionProviders: ["cpu"],
  graphOptimizationLevel: "all",
  /** Measured: 42,200 against 17,400 runs/s of a small convolution. Hosts share the cores by being many. */
  intraOpNumThreads: ONE_THREAD,
  /** Kept between runs: without it a batch of 16 digits took 2,000 instead of 220 µs, as every buffer is mapped anew. */
  enableCpuMemArena: true,
  /** A plan of all buffers as one block: as fast, but 66 instead of 44 MiB for a batch of 128 digits. */
  enableMemPattern: false,
  /** Errors only; they come back as exceptions too, and warnings would fill the agent's log. */
  logSeverityLevel: 3,
} as const satisfies InferenceSession.SessionOptions;

/** Declared shapes with the names of their variable dimensions; an empty name: it has none. */
export interface Dimensions {
  readonly inputs: readonly NamedShape[];
  readonly outputs: readonly NamedShape[];
}

interface NamedShape {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly (number | string)[];
}

export interface OpenedModel extends LoadedModel {
  readonly dimensions: Dimensions;
  /** It runs no more. What it held goes back to the process, though not all of it to the system. */
  release(): Promise<void>;
}

/** `defaults`: values of inputs that a run need not be given. `threads`: that compute one run. */
export async function openModel(
  file: string,
  defaults: readonly Tensor[] = [],
  { threads = ONE_THREAD }: { readonly threads?: number } = {},
): Promise<OpenedModel> {
  const session = await InferenceSession.create(file, { ...SESSION_OPTIONS, intraOpNumThreads: threads });
  const all = session.inputMetadata.map((value) => describe("input", value));
  const isOptional = ({ name }: TensorSignature): boolean => defaults.some((each) => each.name === name);
  const defaultFeeds = Object.fromEntries(defaults.map((tensor) => [tensor.name, toRuntime(tensor)]));
  return {
    dimensions: {
      inputs: session.inputMetadata.flatMap(namedShape),
      outputs: session.outputMetadata.flatMap(namedShape),
    },
    inputs: all.filter((input) => !isOptional(input)),
    optional: all.filter(isOptional),
    outputs: session.outputMetadata.map((value) => describe("output", value)),
    release: () => session.release(),
    async run(inputs, outputs) {
      const feeds = Object.fromEntries(inputs.map((tensor) => [tensor.name, toRuntime(tensor)]));
      const answers = await session.run({ ...defaultFeeds, ...feeds }, outputs);
      return outputs.map((name) => {
        const value = answers[name];
        if (value === undefined) throw new Error(`the runtime gave no output "${name}"`);
        return fromRuntime(name, value);
      });
    },
  };
}

const namedShape = (value: InferenceSession.ValueMetadata): readonly NamedShape[] =>
  value.isTensor ? [{ name: value.name, datatype: datatypeOf(value.type) ?? "", shape: value.shape }] : [];

function describe(kind: "input" | "output", value: InferenceSession.ValueMetadata): TensorSignature {
  const { name } = value;
  if (!value.isTensor) {
    throw new Error(
      `${kind} "${name}" is no tensor but a sequence, map or optional; export the model with tensors only (scikit-learn: zipmap=False)`,
    );
  }
  const datatype = datatypeOf(value.type);
  if (datatype === undefined)
    throw new Error(`${kind} "${name}" has the type ${value.type}, which the Open Inference Protocol does not have`);
  if (name.length > 256)
    throw new Error(`${kind} "${name.slice(0, 32)}…" has a name of ${name.length} characters; the limit is 256`);
  if (value.shape.length > MAX_RANK)
    throw new Error(`${kind} "${name}" has ${value.shape.length} dimensions; the limit is ${MAX_RANK}`);
  return { name, datatype, shape: value.shape.map((size) => (typeof size === "number" ? size : -1)) };
}
