import type { Usage } from "../../../../shared/text/usage.ts";

/** An object of an engine's answer: what is in it is the engine's, and goes on as it came unless it is named here. */
export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The choices of a chunk. */
export const choicesOf = ({ choices }: JsonObject): readonly JsonObject[] =>
  Array.isArray(choices) ? choices.filter(isObject) : [];

export const indexOf = ({ index }: JsonObject): number =>
  typeof index === "number" && Number.isInteger(index) && index >= 0 ? index : 0;

/** Why a choice ended; undefined while it goes on. */
export const finishOf = ({ finish_reason: reason }: JsonObject): string | undefined =>
  typeof reason === "string" && reason !== "" ? reason : undefined;

/** The tokens that the engine counted; undefined where it does not say. */
export function usageIn({ usage }: JsonObject): Usage | undefined {
  if (!isObject(usage)) return undefined;
  const details = usage["prompt_tokens_details"];
  const [promptTokens, outputTokens] = [count(usage["prompt_tokens"]), count(usage["completion_tokens"]) ?? 0];
  if (promptTokens === undefined) return undefined;
  const cachedTokens = isObject(details) ? (count(details["cached_tokens"]) ?? 0) : 0;
  return { promptTokens, outputTokens, cachedTokens: Math.min(cachedTokens, promptTokens) };
}

const MAX_COUNT = 0xffff_ffff;
const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT ? value : undefined;
