import { isSkerryError, messageOf, SkerryError } from "../../../shared/base/errors.ts";
import type { EncodedBody } from "../../../shared/inference/body.ts";
import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import type { Explanation, InferRequest } from "../../../shared/inference/request.ts";
import { encodeResponse, errorBody, type ResponseParameters } from "../../../shared/inference/response.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import { MAX_ANSWER_BYTES } from "../../../shared/protocol/limits.ts";
import { ANSWER_CODES, REFUSED_BEFORE_RUN } from "../link/link-frame.ts";
import { isOutOfMemory } from "../out-of-memory.ts";
import { checkOutputs, type ResponseSizes, tooLarge } from "./response-size.ts";
import { isRefusedBeforeRun } from "./run-sizes.ts";
import { runtimeWords } from "./runtime-words.ts";

export interface EncodedResponse extends EncodedBody {
  /** Position in `ANSWER_CODES`. */
  readonly code: number;
}

/** Outputs of a run, encoded as the response to a request. Throws `SkerryError` INVALID_REQUEST when they are too large. */
export function responseOf(
  {
    name,
    version,
    responseSizes,
  }: { readonly name: string; readonly version: string; readonly responseSizes: ResponseSizes },
  request: InferRequest,
  {
    tensors,
    parameters,
  }: { readonly tensors: readonly Tensor[]; readonly parameters?: ResponseParameters | undefined },
): EncodedResponse {
  checkOutputs(tensors, request.outputs);
  const outputs = tensors.map((tensor, i) => ({ tensor, binary: request.outputs[i]?.binary === true }));
  const said = { ...parameters, ...explained(request.explain) };
  const answer = encodeResponse({
    modelName: name,
    modelVersion: version,
    id: request.id,
    outputs,
    ...(Object.keys(said).length > 0 && { parameters: said }),
  });
  if (answer.body.byteLength > MAX_ANSWER_BYTES) {
    responseSizes.wasTooLarge(request);
    throw tooLarge(String(answer.body.byteLength), 0);
  }
  return { code: 0, ...answer };
}

/** What an explanation is about, so that its reader need not know the defaults of the version. */
function explained(explain: Explanation | undefined): ResponseParameters {
  if (explain === undefined) return {};
  const { method, input, output, element } = explain;
  return {
    skerry_explain: method,
    skerry_explain_input: input,
    skerry_explain_output: output,
    ...(element !== undefined && { skerry_explain_element: element }),
  };
}

/** What went wrong, as a response with a code and an `{"error"}` body. */
export function errorResponse(error: unknown): EncodedResponse {
  if (isRefusedBeforeRun(error))
    return { code: REFUSED_BEFORE_RUN, body: errorBody(error.message), headerLength: JSON_BODY };
  const fault = isSkerryError(error) ? error : new SkerryError("INTERNAL", messageOf(error));
  const code = ANSWER_CODES.findIndex((known) => known === fault.code);
  return {
    code: code === -1 ? ANSWER_CODES.indexOf("RUN_FAILED") : code,
    body: errorBody(fault.message),
    headerLength: JSON_BODY,
  };
}

/** What the runtime says of inputs that do not fit; the signature cannot show all of it (a rank that the model leaves open). */
const INPUT_FAULT = /^(Got invalid dimensions for input|Invalid rank for input|Unexpected input data type)/;
/** The operators that look something up, of an index that is not in their table. */
const INDEX_FAULT =
  /indices element out of data bounds|invalid index found|index out of (range|bounds)|out of bounds of|\b(index|indices)\b.{0,80}\b(out of range|out of bounds|within the inclusive range)/i;

export function runtimeFault(
  error: unknown,
  { name, version }: { readonly name: string; readonly version: string },
): SkerryError {
  const text = runtimeWords(messageOf(error), 500);
  if (INPUT_FAULT.test(text) || INDEX_FAULT.test(text))
    return invalid(`${name}:${version} does not take this input: ${text}`);
  if (isOutOfMemory(text))
    return new SkerryError(
      "OUT_OF_MEMORY",
      `${name}:${version} needs more memory for this input than it may have: ${text}`,
    );
  return new SkerryError("RUN_FAILED", `${name}:${version} failed on this input: ${text}`);
}
