import { embeddingQuestion } from "../../../../shared/openai/embedding-request.ts";
import { NOTED_FIELDS, textQuestion, type TextQuestion } from "../../../../shared/openai/requests.ts";
import { invalid } from "../../../../shared/inference/faults.ts";

/** How the caller wants the answer. */
export interface WantedAnswer {
  readonly api: TextQuestion["openai"];
  /** As the request named the model. */
  readonly model: string;
  readonly streams: boolean;
  readonly includesUsage: boolean;
  /** Choices that it asked for. */
  readonly choices: number;
  /** In the form of the Open Inference Protocol's generate extension. */
  readonly generate: Extract<TextQuestion, { openai: "completion" }>["generate"];
}

/** What the engine is sent. */
export type EngineQuestion =
  | { readonly kind: "text"; readonly path: string; readonly body: Uint8Array; readonly wanted: WantedAnswer }
  | { readonly kind: "embedding"; readonly path: string; readonly body: Uint8Array; readonly model: string };

const PATHS = { chat: "/v1/chat/completions", completion: "/v1/completions" } as const;
const EMBEDDINGS_PATH = "/v1/embeddings";
/** They are Skerry's: what they ask for was done before the engine is asked. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["prompt_cache_key", ...NOTED_FIELDS]);

const encoder = new TextEncoder();

/**
 * The request for the engine: the caller's, with the engine's name of the model. It always streams, because no engine stops a
 * whole answer when its caller has gone, and always asks for the usage. Throws INVALID_REQUEST for what is no such question.
 */
export function engineQuestion(body: Uint8Array, engineModel: string): EngineQuestion {
  const value = parsed(body);
  const text = textQuestion.safeParse(value);
  if (text.success) return textRequest(text.data, engineModel);
  const embedding = embeddingQuestion.safeParse(value);
  if (!embedding.success)
    throw invalid("this model takes no tensors; ask /v1/chat/completions, /v1/completions or /v1/embeddings");
  const { request } = embedding.data;
  const { model } = request;
  return { kind: "embedding", path: EMBEDDINGS_PATH, body: encoded(request, { model: engineModel }), model };
}

function textRequest(question: TextQuestion, engineModel: string): EngineQuestion {
  const { openai: api, request } = question;
  const prompts = "prompt" in request && typeof request.prompt !== "string" ? request.prompt.length : 1;
  return {
    kind: "text",
    path: PATHS[api],
    body: encoded(request, { model: engineModel, stream: true, stream_options: { include_usage: true } }),
    wanted: {
      api,
      model: request.model,
      streams: request.stream === true,
      includesUsage: request.stream_options?.include_usage === true,
      choices: prompts * (request.n ?? 1),
      generate: question.openai === "completion" ? question.generate : undefined,
    },
  };
}

/** Without fields that are null: they ask for nothing, and not every engine takes them. */
function encoded(request: object, changes: Readonly<Record<string, unknown>>): Uint8Array {
  const sent = Object.entries(request).filter(([name, value]) => value !== null && !OWN_FIELDS.has(name));
  return encoder.encode(JSON.stringify({ ...Object.fromEntries(sent), ...changes }));
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
