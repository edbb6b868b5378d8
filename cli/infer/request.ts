import { readFile } from "node:fs/promises";
import { z } from "zod";
import { messageOf } from "../../shared/base/errors.ts";
import { modelMetadata } from "../../shared/api/v1/inference.ts";
import { joinElements } from "../../shared/inference/tensors/binary-tensor.ts";
import { type TensorSpec, tensorSpec } from "../../shared/protocol/model-files/manifest.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { parseExactly, stringifyExactly } from "../api/exact-json.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";
import { decodeUtf8, readSource } from "../spec/read-documents.ts";
import { type InputSource, shapeOfBytes, shapeOfData } from "./parse-input.ts";

/** A request as it travels: JSON, then the bytes of the binary inputs (`docs/open-inference.md`). */
export interface EncodedRequest {
  readonly content: Uint8Array<ArrayBuffer>;
  /** Bytes of the JSON part; undefined when there is nothing behind it. */
  readonly headerLength: number | undefined;
}

/** A request that is written already, in a file, on stdin or on the command line: sent on as it is. */
export async function readRequest(
  source: { readonly file: string } | { readonly data: string },
  stdin: AsyncIterable<Uint8Array | string>,
): Promise<EncodedRequest> {
  const text = "file" in source ? await readSource(source.file, stdin) : source.data;
  const name = "file" in source ? (source.file === "-" ? "stdin" : source.file) : "--data";
  try {
    JSON.parse(text);
  } catch (error) {
    throw new CliFailure(EXIT.error, {
      what: `${name} is not JSON`,
      why: [messageOf(error)],
      fix: 'write it as {"inputs": [{"name": …, "shape": […], "datatype": …, "data": […]}]}',
    });
  }
  // The text, not what we parsed: a 64-bit integer would come back rounded.
  return { content: new TextEncoder().encode(text), headerLength: undefined };
}

/** A request made of single inputs; datatypes and shapes come from the model's metadata. */
export async function buildRequest(
  api: ApiClient,
  modelUrl: string,
  sources: readonly InputSource[],
  parameters: Readonly<Record<string, string>> = {},
): Promise<EncodedRequest> {
  const { body } = await api.get(modelUrl);
  const specs = inputsFor(decode(modelMetadata, body, "a model's metadata"), parameters);
  const inputs: object[] = [];
  const blobs: Uint8Array[] = [];
  for (const source of sources) {
    const spec = specs.find(({ name }) => name === source.name);
    if (spec === undefined)
      throw usageFailure(
        `the model has no input "${source.name}"`,
        `its inputs: ${specs.map(({ name }) => name).join(", ")}`,
      );
    if (source.isBinary) {
      const bytes = await readInputFile(source.file);
      // Of BYTES the file is one element, as it is: a picture, a recording, a table.
      const blob = spec.datatype === "BYTES" ? joinElements([bytes]) : bytes;
      blobs.push(blob);
      inputs.push({
        name: spec.name,
        datatype: spec.datatype,
        shape: shapeOfBytes(spec, blob.length),
        parameters: { binary_data_size: blob.length },
      });
    } else {
      inputs.push(await jsonInput(spec, source.file));
    }
  }
  return encodeRequest({ ...(Object.keys(parameters).length > 0 && { parameters }), inputs }, blobs);
}

/** What a request with these parameters takes: a pipeline's raw inputs, or those of its graphs. */
function inputsFor(
  metadata: z.infer<typeof modelMetadata>,
  { skerry_stages: stages }: Readonly<Record<string, string>>,
): readonly TensorSpec[] {
  if (stages === undefined || stages.startsWith("pre+")) return metadata.inputs;
  return graphsOf(metadata).inputs;
}

/** What the graphs take and put out: of a pipeline without what is done before and behind them. */
export function graphsOf({ inputs, outputs, properties }: z.infer<typeof modelMetadata>): {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
} {
  const specsOf = (text: string | undefined): readonly TensorSpec[] | undefined =>
    text === undefined ? undefined : z.array(tensorSpec).parse(JSON.parse(text));
  return {
    inputs: specsOf(properties["skerry.infer.inputs"]) ?? inputs,
    outputs: specsOf(properties["skerry.infer.outputs"]) ?? outputs,
  };
}

/** JSON header and blobs, one behind the other. */
export function encodeRequest(header: object, blobs: readonly Uint8Array[]): EncodedRequest {
  const json = new TextEncoder().encode(stringifyExactly(header));
  if (blobs.length === 0) return { content: json, headerLength: undefined };
  const content = new Uint8Array(json.length + blobs.reduce((sum, { length }) => sum + length, 0));
  content.set(json, 0);
  let offset = json.length;
  for (const blob of blobs) {
    content.set(blob, offset);
    offset += blob.length;
  }
  return { content, headerLength: json.length };
}

async function jsonInput(spec: TensorSpec, file: string): Promise<object> {
  const text = decodeUtf8(await readInputFile(file), file);
  try {
    const data = z.array(z.unknown()).parse(parseExactly(text));
    return { name: spec.name, datatype: spec.datatype, shape: shapeOfData(spec, data), data };
  } catch (error) {
    if (Error.isError(error) && error.name === "CliFailure") throw error;
    throw new CliFailure(EXIT.error, {
      what: `${file} is not a JSON array`,
      fix: `give the input's elements as an array, or raw bytes with ${spec.name}=@file`,
    });
  }
}

function readInputFile(file: string): Promise<Buffer> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new CliFailure(
      EXIT.error,
      { what: `cannot read ${file}`, why: [error.code === "ENOENT" ? "there is no such file" : error.message] },
      { cause: error },
    );
  });
}
