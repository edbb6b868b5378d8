declare global {
  interface JSON {
    /** In Node 24, not yet in TypeScript's library: a value that `JSON.stringify` writes as this text. */
    rawJSON(text: string): object;
  }
}

/** Texts in which a number may be that a double does not hold or does not write again. */
const MAY_LOSE = /\d{16}|-0|\d[eE][+]?\d/;

/**
 * JSON without loss: integers beyond 2^53 become BigInt, numbers beyond a double's range stay their text. Throws what
 * `JSON.parse` throws.
 */
export function parseExactly(text: string): unknown {
  return MAY_LOSE.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text);
}

/** The reverse: every number with the digits that it came with. */
export const stringifyExactly = (value: unknown, indent = 0): string => JSON.stringify(value, writeDigits, indent);

function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  if (/^-?\d+$/.test(source)) return BigInt(source);
  return Number.isFinite(value) ? value : JSON.rawJSON(source);
}

function writeDigits(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return JSON.rawJSON(String(value));
  return Object.is(value, -0) ? JSON.rawJSON("-0") : value;
}
