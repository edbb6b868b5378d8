import type { Stages } from "../protocol/stages.ts";
import { decodeBinaryData } from "./tensors/binary-tensor.ts";
import { type EncodedBody, joinBody, splitBody } from "./body.ts";
import { DATATYPES, isDatatype, type Tensor } from "./tensors/datatypes.ts";
import { invalid } from "./faults.ts";
import { arrayOf, flagOf, given, type JsonObject, objectOf, textOf } from "./json.ts";
import { type ExplainMethod, explanationName } from "./explain/explainers.ts";
import { decodeExplain, type ExplainOptions } from "./explain/options.ts";
import { deriveShape, type TensorSignature } from "./tensors/shape.ts";
import {
  BARE_GRAPH,
  type DeclaredParameters,
  decodeSkerryParameters,
  type SkerryParameters,
} from "./skerry-parameters.ts";
import { bytesTensor, decodeTensor, encodeTensor, parametersOf, refuseUnserved } from "./tensors/tensor.ts";
import { decodeText, runtimeText } from "./tensors/text.ts";

export interface Signature {
  readonly inputs: readonly TensorSignature[];
  /** Inputs that a request may leave out. */
  readonly optional?: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  /** Methods by which its answers can be explained. Default: those that follow from the signature. */
  readonly explainers?: readonly ExplainMethod[];
  /** Without explainers: the stages of the same version whose answers can be explained. */
  readonly explainedStages?: Stages;
}

export interface RequestedOutput {
  readonly name: string;
  readonly binary: boolean;
}

export interface InferRequest {
  /** Echoed in the answer; absent there when absent here. */
  readonly id: string | undefined;
  /** In the order of the signature; of the optional ones those that were given. */
  readonly inputs: readonly Tensor[];
  /** Only these are answered, in this order. With an explanation among them when one is asked for. */
  readonly outputs: readonly RequestedOutput[];
  readonly explain?: Explanation;
}

export interface StagedRequest extends InferRequest {
  readonly skerry: SkerryParameters;
}

/** An explanation that is asked for, and the output that holds it. */
export interface Explanation extends ExplainOptions {
  readonly name: string;
}

/**
 * Reads a request against the signature of the model that will run it. `headerLength`: bytes of the JSON part,
 * `JSON_BODY`, or 0 for the raw bytes of the only input. `isExplained`: its path asks for an explanation. Throws `SkerryError`
 * INVALID_REQUEST or NOT_SERVED.
 */
export function decodeRequest(
  body: Uint8Array,
  headerLength: number,
  signature: Signature,
  path: { readonly isExplained?: boolean } = {},
): InferRequest {
  const staged = { declared: BARE_GRAPH, signatureOf: () => signature };
  const { skerry: _bare, ...request } = decodeStagedRequest(body, headerLength, staged, path);
  return request;
}

/** What a version answers: its signature depends on the stages that a request passes. */
export interface StagedSignature {
  readonly declared: DeclaredParameters;
  readonly signatureOf: (stages: Stages) => Signature;
}

/** The same of a version that declares stages. */
export function decodeStagedRequest(
  body: Uint8Array,
  headerLength: number,
  { declared, signatureOf }: StagedSignature,
  { isExplained: isAsked = false }: { readonly isExplained?: boolean } = {},
): StagedRequest {
  if (headerLength === 0) {
    const skerry = decodeSkerryParameters({}, declared);
    return { ...decodeRaw(body, signatureOf(skerry.stages), { isAsked }), skerry };
  }
  const { json, blobs } = splitBody(body, headerLength, "the request");
  const parameters = parametersOf(json, "the request");
  refuseUnserved(parameters, "the request", ["sequence_id", "sequence_start", "sequence_end"]);
  const skerry = decodeSkerryParameters(parameters, declared);
  const signature = signatureOf(skerry.stages);
  const explain = explanationOf(parameters, signature, { isAsked });
  const id = given(json, "id");
  const tensors = new Map<string, Tensor>();
  const { optional = [] } = signature;
  const all = [...signature.inputs, ...optional];
  for (const value of arrayOf(json["inputs"], "`inputs`")) {
    const entry = objectOf(value, "an entry of `inputs`");
    const spec = specOf(entry, all, "input");
    if (tensors.has(spec.name)) throw invalid(`input "${spec.name}" is given twice; give it once`);
    tensors.set(spec.name, decodeTensor(entry, blobs, { label: `input "${spec.name}"`, spec }));
  }
  blobs.finish("the request");
  return {
    id: id === undefined ? undefined : textOf(id, "`id`"),
    inputs: [...inOrder(tensors, signature.inputs), ...optional.flatMap(({ name }) => tensors.get(name) ?? [])],
    outputs: decodeOutputs(given(json, "outputs"), parameters, { specs: signature.outputs, explain }),
    ...(explain !== undefined && { explain }),
    skerry,
  };
}

function explanationOf(
  parameters: JsonObject,
  signature: Signature,
  path: { readonly isAsked: boolean },
): Explanation | undefined {
  const options = decodeExplain(parameters, signature, path);
  return options && { ...options, name: explanationName(signature.outputs) };
}

function inOrder(tensors: ReadonlyMap<string, Tensor>, specs: readonly TensorSignature[]): readonly Tensor[] {
  return specs.map(({ name }) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw invalid(`input "${name}" is missing; the model takes ${namesOf(specs)}`);
    return tensor;
  });
}

/** An output in the form that was asked for. Throws INVALID_REQUEST when its datatype has no JSON form: before the run, not after it. */
function inForm({ name, datatype }: TensorSignature, binary: boolean): RequestedOutput {
  if (!binary && datatype === "FP16")
    throw invalid(
      `output "${name}" is FP16, which has no JSON form; ask for it with \`binary_data_output\`: true, or leave it out of \`outputs\``,
    );
  return { name, binary };
}

function decodeOutputs(
  value: unknown,
  parameters: JsonObject,
  {
    specs: declared,
    explain,
  }: { readonly specs: readonly TensorSignature[]; readonly explain: Explanation | undefined },
): readonly RequestedOutput[] {
  const specs = explain === undefined ? declared : [...declared, { name: explain.name, datatype: "FP32", shape: [] }];
  const allBinary =
    parameters["binary_data_output"] === undefined
      ? false
      : flagOf(parameters["binary_data_output"], "`binary_data_output`");
  const entries = value === undefined ? [] : arrayOf(value, "`outputs`");
  if (entries.length === 0) return specs.map((spec) => inForm(spec, allBinary));
  const names = new Set<string>();
  const asked = entries.map((item) => {
    const entry = objectOf(item, "an entry of `outputs`");
    const spec = specOf(entry, specs, "output");
    const { name } = spec;
    if (names.has(name)) throw invalid(`output "${name}" is asked for twice; ask for it once`);
    names.add(name);
    const own = parametersOf(entry, `output "${name}"`);
    refuseUnserved(own, `output "${name}"`, ["classification", "shared_memory_region"]);
    const binary =
      own["binary_data"] === undefined ? allBinary : flagOf(own["binary_data"], `\`binary_data\` of output "${name}"`);
    return inForm(spec, binary);
  });
  if (explain !== undefined && !names.has(explain.name))
    throw invalid(
      `\`outputs\` leaves out "${explain.name}", which the explanation is; name it there, or name no outputs`,
    );
  return asked;
}

function specOf(entry: JsonObject, specs: readonly TensorSignature[], what: "input" | "output"): TensorSignature {
  const name = textOf(entry["name"], `the name of an ${what}`);
  const spec = specs.find((candidate) => candidate.name === name);
  if (spec === undefined) throw invalid(`the model has no ${what} "${name.slice(0, 64)}"; it has ${namesOf(specs)}`);
  return spec;
}

const namesOf = (specs: readonly TensorSignature[]): string => specs.map(({ name }) => `"${name}"`).join(", ");

/** The body is the only input's bytes; every output is binary. */
function decodeRaw(body: Uint8Array, signature: Signature, path: { readonly isAsked: boolean }): InferRequest {
  const [spec, ...others] = signature.inputs;
  if (spec === undefined || others.length > 0) {
    throw invalid(
      `raw bytes need a model with one input, and this one has ${signature.inputs.length}; send a JSON header that names them`,
    );
  }
  const { name, datatype } = spec;
  const label = `input "${name}"`;
  const explain = explanationOf({}, signature, path);
  const names = [...signature.outputs, ...(explain === undefined ? [] : [explain])];
  const outputs = names.map((output) => ({ name: output.name, binary: true }));
  if (!isDatatype(datatype)) throw invalid(`${label} has a datatype that raw bytes cannot stand for`);
  if (spec.asBytes === true) return { id: undefined, inputs: [bytesTensor(name, [1], [body])], outputs };
  if (datatype === "BYTES") {
    return {
      id: undefined,
      inputs: [{ name, datatype, shape: [1], data: [runtimeText(decodeText(body, 0, label), 0, label)] }],
      outputs,
    };
  }
  const { bytes } = DATATYPES[datatype];
  if (body.byteLength % bytes !== 0)
    throw invalid(`${label}: ${body.byteLength} bytes are no whole number of ${datatype} elements of ${bytes} bytes`);
  const elements = body.byteLength / bytes;
  const shape = deriveShape(spec, elements, label);
  return {
    id: undefined,
    inputs: [{ name, datatype, shape, data: decodeBinaryData(body, { label, datatype, elements, isInput: true }) }],
    outputs,
    ...(explain !== undefined && { explain }),
  };
}

/** A request for `decodeRequest` on the other side. No `outputs`: all, binary when `binaryOutput` is true. */
export function encodeRequest(request: {
  readonly id?: string;
  readonly inputs: readonly { readonly tensor: Tensor; readonly binary: boolean }[];
  readonly outputs?: readonly RequestedOutput[];
  readonly binaryOutput?: boolean;
  /** Beside that one. */
  readonly parameters?: Readonly<Record<string, string>>;
}): EncodedBody {
  const parameters = { ...(request.binaryOutput === true && { binary_data_output: true }), ...request.parameters };
  const inputs = request.inputs.map(({ tensor, binary }) => encodeTensor(tensor, { binary }));
  const fields = [
    ...(request.id === undefined ? [] : [`"id":${JSON.stringify(request.id)}`]),
    ...(Object.keys(parameters).length === 0 ? [] : [`"parameters":${JSON.stringify(parameters)}`]),
    `"inputs":[${inputs.map(({ json }) => json).join(",")}]`,
    ...(request.outputs === undefined
      ? []
      : [
          `"outputs":${JSON.stringify(request.outputs.map(({ name, binary }) => ({ name, parameters: { binary_data: binary } })))}`,
        ]),
  ];
  return joinBody(`{${fields.join(",")}}`, blobsOf(inputs));
}

export const blobsOf = (parts: readonly { readonly blob: Uint8Array | undefined }[]): readonly Uint8Array[] =>
  parts.map(({ blob }) => blob).filter((blob) => blob !== undefined);
