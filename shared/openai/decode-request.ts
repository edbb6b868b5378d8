import type { z } from "zod";
import { causesOfIssues } from "../api/v1/field-causes.ts";
import { SkerryError } from "../base/errors.ts";
import { invalidFields } from "../base/invalid-fields.ts";
import { invalid } from "../inference/faults.ts";
import { headerOf, type HttpHeaders } from "../inference/http/message.ts";
import { jsonComplaint } from "../inference/http/json-guard.ts";
import type { ModelTarget } from "../inference/http/path.ts";
import type { ModelKind } from "../text/model-kind.ts";
import { embeddingRequest } from "./embedding-request.ts";
import { generateRequest, questionOf } from "./generate.ts";
import { type AnswerForm, type AskPath, kindAsked, type OpenAiApi } from "./http/path.ts";
import { type ChatMessage, chatRequest, completionRequest, NOTED_FIELDS } from "./requests.ts";

const MAX_DEPTH = 64;
const MAX_NAME = 63;
const MAX_SESSION_ID = 512;
/** Characters of a prompt that name its session: enough to differ from others', and few enough to stay the same. */
const PREFIX_LENGTH = 256;

/** A request as it is routed, and as the model host gets it. */
export interface DecodedRequest {
  readonly form: AnswerForm;
  readonly target: ModelTarget;
  readonly asks: ModelKind;
  readonly streams: boolean;
  /** The body for the model host. */
  readonly question: Uint8Array;
  /** Fields that were sent and change nothing. */
  readonly ignored: readonly string[];
  /**
   * What requests of one session have in common: `prompt_cache_key`, else the system's and the user's first message, else the
   * beginning of the prompt. Undefined for embeddings, which have none.
   */
  readonly session: string | undefined;
  /** Of all messages or prompts together; 0 for embeddings. */
  readonly promptCharacters: number;
}

const SCHEMAS = { chat: chatRequest, completion: completionRequest, embedding: embeddingRequest } as const;
const encoder = new TextEncoder();

/** What is asked at a path, as its body says it. Throws `INVALID_REQUEST` that names the field. */
export const decodeAsked = (path: AskPath, body: Uint8Array, tenant: string): DecodedRequest =>
  path.kind === "ask" ? decodeRequest(path.api, body, tenant) : decodeGenerate(path, body, tenant);

/**
 * Checks a body against the schema of its API. `tenant`: whose request it is, by a name that gives nothing away. Throws
 * `INVALID_REQUEST` that names the field.
 */
export function decodeRequest(api: OpenAiApi, body: Uint8Array, tenant: string): DecodedRequest {
  const input = parse(body);
  const schema = SCHEMAS[api];
  const result = schema.safeParse(input);
  if (!result.success) throw invalidFields("body", causesOfIssues(schema, result.error.issues, input));
  const request = result.data;
  const streams = "stream" in request && request.stream === true;
  if (!streams && "stream_options" in request && request.stream_options != null)
    throw invalidFields("body", [{ field: "stream_options", message: "is for requests with `stream: true`" }]);
  return {
    form: "openai",
    target: targetOf(request.model),
    asks: kindAsked(api),
    streams,
    question: encoder.encode(JSON.stringify({ openai: api, tenant, request })),
    ignored: NOTED_FIELDS.filter((name) => Reflect.get(request, name) != null),
    session: "input" in request ? undefined : (request.prompt_cache_key ?? beginningOf(request)),
    promptCharacters: "input" in request ? 0 : charactersOf(request),
  };
}

type TextRequest = z.infer<typeof chatRequest> | z.infer<typeof completionRequest>;

function charactersOf(request: TextRequest): number {
  const texts =
    "messages" in request
      ? request.messages.flatMap(({ content }) =>
          typeof content === "string" ? [content] : (content ?? []).map(({ text }) => text),
        )
      : [request.prompt].flat();
  return texts.reduce((sum, { length }) => sum + length, 0);
}

const beginningOf = (request: TextRequest): string =>
  "messages" in request ? firstTurn(request.messages) : beginning(request.prompt);

function decodeGenerate(
  path: Extract<AskPath, { kind: "generate" }>,
  body: Uint8Array,
  tenant: string,
): DecodedRequest {
  const input = parse(body);
  const result = generateRequest.safeParse(input);
  if (!result.success) throw invalidFields("body", causesOfIssues(generateRequest, result.error.issues, input));
  return {
    form: "generate",
    target: path.target,
    asks: "text",
    streams: path.streams,
    question: encoder.encode(JSON.stringify({ ...questionOf(result.data, path), tenant })),
    ignored: [],
    session: beginning(result.data.text_input),
    promptCharacters: result.data.text_input.length,
  };
}

/** Up to the first message of the user. */
const firstTurn = (messages: readonly ChatMessage[]): string =>
  JSON.stringify(messages.slice(0, messages.findIndex(({ role }) => role === "user") + 1));

const beginning = (prompt: string | readonly string[]): string =>
  (typeof prompt === "string" ? prompt : (prompt[0] ?? "")).slice(0, PREFIX_LENGTH);

/** `X-Session-Id`: goes before what the body says of its session. Throws `INVALID_REQUEST`. */
export function sessionIdOf(headers: HttpHeaders): string | undefined {
  const id = headerOf(headers, "x-session-id");
  if (id !== undefined && (id === "" || id.length > MAX_SESSION_ID))
    throw invalid(`X-Session-Id must have 1 to ${MAX_SESSION_ID} characters`);
  return id;
}

/** `Skerry-Cascade`: which model of a cascade the caller asks for; undefined: its rules decide. Throws `INVALID_REQUEST`. */
export function cascadeOf(headers: HttpHeaders): "large" | "small" | undefined {
  const text = headerOf(headers, "skerry-cascade");
  if (text === undefined || text === "large" || text === "small") return text;
  throw invalid("Skerry-Cascade must be `large` or `small`");
}

/** `NAME`, `NAME:ALIAS` or `NAME:NUMBER`. */
function targetOf(model: string): ModelTarget {
  const at = model.indexOf(":");
  return at === -1 ? { model, version: undefined } : { model: model.slice(0, at), version: model.slice(at + 1) };
}

function parse(body: Uint8Array): unknown {
  const refused = (message: string): SkerryError => invalidFields("body", [{ field: "", message }]);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw refused("is not UTF-8");
  }
  const complaint = jsonComplaint(text, MAX_DEPTH);
  if (complaint !== undefined) throw refused(complaint);
  try {
    return JSON.parse(text);
  } catch {
    throw refused("is not valid JSON");
  }
}

/** OpenAI's sentence for a model that is not there, or that the key may not see. */
export const noSuchModel = (model: string): SkerryError =>
  new SkerryError(
    "NOT_FOUND",
    `the model \`${model.slice(0, MAX_NAME)}\` does not exist or you do not have access to it`,
  );
