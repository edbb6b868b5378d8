import { own, type OwnedBytes } from "../bytes/owned-bytes.ts";
import { type EncodedBody, joinBody, splitBody } from "./body.ts";
import type { Tensor } from "./tensors/datatypes.ts";
import { arrayOf, objectOf, textOf } from "./json.ts";
import { blobsOf } from "./request.ts";
import { decodeTensor, encodeTensor } from "./tensors/tensor.ts";

export interface InferResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string | undefined;
  readonly outputs: readonly Tensor[];
}

/** What an answer says of itself beside its outputs. */
export type ResponseParameters = Readonly<Record<string, string | number | boolean>>;

/** The answer of a model. Throws `SkerryError` RUN_FAILED when an output has no JSON form and was not asked for as binary. */
export function encodeResponse(
  response: Omit<InferResponse, "outputs"> & {
    readonly outputs: readonly { readonly tensor: Tensor; readonly binary: boolean }[];
    readonly parameters?: ResponseParameters | undefined;
  },
): EncodedBody {
  const outputs = response.outputs.map(({ tensor, binary }) => encodeTensor(tensor, { binary }));
  const id = response.id === undefined ? "" : `"id":${JSON.stringify(response.id)},`;
  const parameters = response.parameters === undefined ? "" : `"parameters":${JSON.stringify(response.parameters)},`;
  const head = `"model_name":${JSON.stringify(response.modelName)},"model_version":${JSON.stringify(response.modelVersion)},${id}${parameters}`;
  return joinBody(`{${head}"outputs":[${outputs.map(({ json }) => json).join(",")}]}`, blobsOf(outputs));
}

/** Reads an answer, for a client. Throws `SkerryError` INVALID_REQUEST when it is not one. */
export function decodeResponse(body: Uint8Array, headerLength: number): InferResponse {
  const { json, blobs } = splitBody(body, headerLength, "the response");
  const outputs = arrayOf(json["outputs"], "`outputs`").map((value) => {
    const entry = objectOf(value, "an entry of `outputs`");
    return decodeTensor(entry, blobs, { label: `output "${textOf(entry["name"], "the name of an output")}"` });
  });
  blobs.finish("the response");
  return {
    modelName: textOf(json["model_name"], "`model_name`"),
    modelVersion: json["model_version"] === undefined ? "" : textOf(json["model_version"], "`model_version`"),
    id: json["id"] === undefined ? undefined : textOf(json["id"], "`id`"),
    outputs,
  };
}

const encoder = new TextEncoder();

/** The body of every refusal under `/v2`. */
export const errorBody = (detail: string): OwnedBytes => own(encoder.encode(JSON.stringify({ error: detail })));
