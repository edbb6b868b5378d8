import { messageOf } from "../base/errors.ts";
import { invalid, kindOf } from "./faults.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses a body once. Integers that a double cannot hold come back as BigInt, from their source text, but only where
 * a 64-bit tensor can be meant: the reviver costs thirteen times a plain parse (784 numbers: 38 against 525 µs).
 */
export function parseBody(bytes: Uint8Array, what: string): JsonObject {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw invalid(`${what} is not UTF-8; encode it as UTF-8`);
  }
  // An escape can spell INT64 in another way.
  const mayHold64Bits = (text.includes("INT64") || text.includes("\\u")) && /\d{16}/.test(text);
  let value: unknown;
  try {
    value = mayHold64Bits ? JSON.parse(text, keepLongIntegers) : JSON.parse(text);
  } catch (error) {
    throw invalid(`${what} is not JSON (${reasonWithoutText(error)}); send one JSON object`);
  }
  return objectOf(value, what);
}

function keepLongIntegers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** V8 quotes the text around the fault, which may be somebody's data: only what it says about the place is kept. */
function reasonWithoutText(error: unknown): string {
  const message = messageOf(error);
  return (
    /at position \d+( \(line \d+ column \d+\))?/.exec(message)?.[0] ??
    (message.includes("stack") ? "nested too deep" : "it ends early or holds a wrong character")
  );
}

/** A field that may be left out; clients that write every field of their schema send `null` for it. */
export const given = (owner: JsonObject, field: string): unknown => owner[field] ?? undefined;

export function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`${what} is ${kindOf(value)}; it must be an object`);
  return value as JsonObject; // narrowed above: TypeScript does not carry the index signature
}

export function arrayOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${what} is ${kindOf(value)}; it must be an array`);
  return value;
}

export function textOf(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} is ${kindOf(value)}; it must be a string`);
  return value;
}

export function flagOf(value: unknown, what: string): boolean {
  if (typeof value !== "boolean") throw invalid(`${what} is ${kindOf(value)}; it must be true or false`);
  return value;
}
