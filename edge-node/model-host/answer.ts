import { isSkerryError, messageOf, SkerryError } from "../../shared/errors.ts";
import type { EncodedBody } from "../../shared/inference/body.ts";
import { invalid } from "../../shared/inference/faults.ts";
import { decodeRequest } from "../../shared/inference/request.ts";
import { encodeResponse, errorBody } from "../../shared/inference/response.ts";
import { JSON_BODY } from "../../shared/protocol/inference-frame.ts";
import { MAX_BODY_BYTES } from "../../shared/protocol/limits.ts";
import { ANSWER_CODES } from "./link-frame.ts";
import type { LoadedModel } from "./model.ts";
import { runtimeWords } from "./runtime-words.ts";

export interface Answer extends EncodedBody {
  /** Position in `ANSWER_CODES`. */
  readonly code: number;
}

/** Decode, run, encode. Never rejects: what goes wrong becomes an answer with a code and an `{"error"}` body. */
export async function answerRequest(
  served: { readonly model: LoadedModel; readonly name: string; readonly version: string },
  request: { readonly body: Uint8Array; readonly headerLength: number },
): Promise<Answer> {
  try {
    return { code: 0, ...(await infer(served, request)) };
  } catch (error) {
    const fault = isSkerryError(error) ? error : new SkerryError("INTERNAL", messageOf(error));
    const code = ANSWER_CODES.findIndex((known) => known === fault.code);
    return {
      code: code === -1 ? ANSWER_CODES.indexOf("RUN_FAILED") : code,
      body: errorBody(fault.message),
      headerLength: JSON_BODY,
    };
  }
}

async function infer(
  { model, name, version }: Parameters<typeof answerRequest>[0],
  { body, headerLength }: Parameters<typeof answerRequest>[1],
): Promise<EncodedBody> {
  const request = decodeRequest(body, headerLength, model);
  const wanted = request.outputs.map((output) => output.name);
  const tensors = await model.run(request.inputs, wanted).catch((error: unknown) => {
    throw runtimeFault(messageOf(error), `${name}:${version}`);
  });
  const outputs = tensors.map((tensor, i) => ({ tensor, binary: request.outputs[i]?.binary === true }));
  const answer = encodeResponse({ modelName: name, modelVersion: version, id: request.id, outputs });
  if (answer.body.byteLength > MAX_BODY_BYTES) {
    throw new SkerryError(
      "RUN_FAILED",
      `the answer of ${name}:${version} has ${answer.body.byteLength} bytes; the limit is ${MAX_BODY_BYTES}; ask for fewer rows or outputs, or for binary outputs`,
    );
  }
  return answer;
}

/** What the runtime says of inputs that do not fit; the signature cannot show all of it (a rank that the model leaves open). */
const INPUT_FAULT = /^(Got invalid dimensions for input|Invalid rank for input|Unexpected input data type)/;

function runtimeFault(message: string, model: string): SkerryError {
  const text = runtimeWords(message, 500);
  if (INPUT_FAULT.test(text)) return invalid(`${model} does not take this input: ${text}`);
  return new SkerryError("RUN_FAILED", `${model} failed on this input: ${text}`);
}
