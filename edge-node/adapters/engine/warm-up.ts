import type { EngineModel } from "../../../shared/text/engine-model.ts";
import { hostFailure } from "../../app/hosts/host-failure.ts";
import type { EngineClient } from "./engine-client.ts";
import { keyRefused, refusesKey, wordsOf } from "./engine-faults.ts";
import { readAnswer } from "./read-answer.ts";

const MAX_BYTES = 4 * 1_048_576;
const TEXT = "The";

interface Trial {
  readonly path: string;
  readonly request: object;
}

/** The smallest request that each kind of model answers. A model without a chat template takes the second. */
const TRIALS: Readonly<Record<"text" | "embeddings", readonly Trial[]>> = {
  text: [
    { path: "/v1/chat/completions", request: { messages: [{ role: "user", content: TEXT }], max_tokens: 1 } },
    { path: "/v1/completions", request: { prompt: TEXT, max_tokens: 1 } },
  ],
  embeddings: [{ path: "/v1/embeddings", request: { input: TEXT } }],
};

/**
 * Asks the model for one token, or one embedding: that it answers decides whether it may serve, and how long that took, in µs,
 * is the first guess of what a request takes. Throws WARMUP_FAILED with the engine's words. Gives up when `signal` is aborted.
 */
export async function warmUp(
  client: EngineClient,
  { model, kind }: EngineModel & { readonly kind: "text" | "embeddings" },
  { withinMs, signal }: { readonly withinMs: number; readonly signal: AbortSignal },
): Promise<number> {
  let words = "";
  for (const { path, request } of TRIALS[kind]) {
    signal.throwIfAborted();
    const startedAt = performance.now();
    const body = new TextEncoder().encode(JSON.stringify({ model, ...request }));
    const headers = { "Content-Type": "application/json" };
    const { head, close } = client.ask({ method: "POST", path, headers, body, headMs: withinMs });
    signal.addEventListener("abort", close, { once: true });
    const response = await head;
    const bytes = await readAnswer(response, { maxBytes: MAX_BYTES, withinMs, close, engine: client.name });
    if (response.statusCode === 200) return Math.round((performance.now() - startedAt) * 1_000);
    if (refusesKey(response.statusCode))
      throw hostFailure("WARMUP_FAILED", keyRefused(response.statusCode, client.name));
    words = `status ${response.statusCode}: ${wordsOf(new TextDecoder().decode(bytes))}`;
  }
  throw hostFailure("WARMUP_FAILED", `the ${client.name} does not answer for its model ${model}: ${words}`);
}
