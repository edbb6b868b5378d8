import type { IncomingMessage } from "node:http";
import { isSkerryError } from "../../../../shared/base/errors.ts";
import { release } from "../../../../shared/bytes/owned-bytes.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { MAX_ANSWER_BYTES } from "../../../../shared/protocol/limits.ts";
import type { HostRequest, HostResponse, HostStream } from "../../../ports/model-hosts.ts";
import { isObject, type JsonObject, usageIn } from "./answer-chunk.ts";
import { formOf } from "./answer-forms.ts";
import type { EngineClient, EngineExchange } from "../engine-client.ts";
import { errorOf, refusal } from "../engine-faults.ts";
import { EnginePieces } from "./engine-pieces.ts";
import { engineQuestion, type EngineQuestion } from "./openai-request.ts";
import { readAnswer } from "../read-answer.ts";
import { StreamedText } from "./streamed-text.ts";

const HEADERS = { "Content-Type": "application/json", Accept: "text/event-stream, application/json" } as const;

interface Engine {
  readonly client: EngineClient;
  /** As the engine names the model. */
  readonly model: string;
  /** Of Skerry's version, for the generate extension. */
  readonly version: string;
  /** An answer has begun, and ends by itself or by its `abort`. */
  readonly onAnswer: (answer: StreamedText) => void;
}

/** Asks an engine of the OpenAI API. Rejects with `engineFailure` when it could not be asked or went away. */
export async function askOpenAi(
  { body, timeoutMs, cancellation }: HostRequest,
  { client, model, version, onAnswer }: Engine,
): Promise<HostResponse> {
  const startedAt = performance.now();
  let question: EngineQuestion;
  try {
    question = engineQuestion(body, model);
  } catch (error) {
    if (!isSkerryError(error)) throw error;
    return refusal(error.code, error.message, { isBeforeRun: true });
  }
  const exchange = client.ask({
    method: "POST",
    path: question.path,
    headers: HEADERS,
    body: question.body,
    headMs: timeoutMs,
  });
  let answer: StreamedText | undefined;
  // An answer that has begun ends as cancelled, not as cut.
  cancellation?.onCancel(() => (answer === undefined ? exchange.close() : answer.pieces.stream.cancel()));
  try {
    const response = await exchange.head;
    if (response.statusCode !== 200) return await errorOf(response, exchange.close, client.name);
    if (question.kind === "embedding")
      return await embeddings(response, exchange, { engine: client.name, model: question.model, timeoutMs, startedAt });
    if (!isEventStream(response)) {
      exchange.close();
      return refusal("RUN_FAILED", `the ${client.name} does not stream its answers`);
    }
    answer = new StreamedText({
      response,
      close: exchange.close,
      engine: client.name,
      form: formOf(question.wanted, version),
      streams: question.wanted.streams,
      choices: question.wanted.choices,
      startedAt,
    });
    onAnswer(answer);
    return await whenBegun(answer, { engine: client.name, timeoutMs, startedAt });
  } catch (error) {
    if (cancellation?.isCancelled === true) return refusal("CANCELLED", "the caller went away");
    if (error instanceof RangeError) return refusal("RUN_FAILED", `the ${client.name} sent ${error.message}`);
    throw error;
  }
}

const isEventStream = ({ headers }: IncomingMessage): boolean =>
  headers["content-type"]?.startsWith("text/event-stream") === true;

interface Limits {
  readonly engine: string;
  readonly timeoutMs: number;
  readonly startedAt: number;
}

/** The answer from its first event on, or what came in its place. */
async function whenBegun(answer: StreamedText, { engine, timeoutMs, startedAt }: Limits): Promise<HostResponse> {
  let isLate = false;
  const timer = setTimeout(
    () => {
      isLate = true;
      answer.pieces.stream.cancel();
    },
    Math.max(0, timeoutMs - (performance.now() - startedAt)),
  );
  const begun = await answer.begun;
  clearTimeout(timer);
  if (begun.kind === "begun") return inPieces(answer.pieces.stream);
  const computeUs = (performance.now() - startedAt) * 1_000;
  if (isLate)
    return refusal("DEADLINE_EXCEEDED", `the ${engine} did not begin its answer within ${timeoutMs} ms`, { computeUs });
  return refusal(begun.code, begun.detail, { computeUs });
}

const inPieces = (body: HostStream): HostResponse => ({
  status: 200,
  code: undefined,
  headerLength: JSON_BODY,
  body,
  computeUs: 0,
  decodeUs: 0,
  encodeUs: 0,
  batchSize: 1,
});

/** Whole, with the caller's name of the model; in pieces, because those have an end that tells the tokens. */
async function embeddings(
  response: IncomingMessage,
  { close }: EngineExchange,
  { engine, model, timeoutMs, startedAt }: Limits & { readonly model: string },
): Promise<HostResponse> {
  const withinMs = Math.max(1, timeoutMs - (performance.now() - startedAt));
  const bytes = await readAnswer(response, { maxBytes: MAX_ANSWER_BYTES, withinMs, close, engine });
  const computeUs = (performance.now() - startedAt) * 1_000;
  const value = objectIn(bytes);
  release(bytes);
  if (value === undefined) return refusal("RUN_FAILED", `the ${engine} answered what is no JSON`, { computeUs });
  const usage = usageIn(value);
  value["model"] = model;
  const pieces = new EnginePieces({
    pause: () => undefined,
    resume: () => undefined,
    onCancelled: () => pieces.fail("CANCELLED", "the caller went away"),
    onSlow: (ms) => pieces.fail("DEADLINE_EXCEEDED", `the answer has waited for its reader for ${ms} ms in all`),
  });
  pieces.write(JSON.stringify(value));
  pieces.finish({ computeUs, decodeUs: 0, encodeUs: 0, ...(usage && { usage }) });
  return inPieces(pieces.stream);
}

function objectIn(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
