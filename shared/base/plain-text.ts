import type { Cause } from "./invalid-fields.ts";

/**
 * Texts of a decoded request that cannot be kept: PostgreSQL stores no U+0000, and half a surrogate pair has no UTF-8.
 * One cause for each, names of fields included. `fields`: where `value` is; its depth is bounded by its reader.
 */
export function textCauses(value: unknown, fields: readonly string[] = []): readonly Cause[] {
  if (typeof value === "string") {
    const message = textFault(value);
    return message === undefined ? [] : [{ field: fields.join("."), message }];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const message = textFault(key);
    if (message === undefined) return textCauses(inner, [...fields, key]);
    return [{ field: fields.join("."), message: `has a field whose name ${message}` }];
  });
}

function textFault(text: string): string | undefined {
  if (text.includes("\0")) return "holds the character U+0000, which cannot be stored";
  return text.isWellFormed() ? undefined : "holds half of a surrogate pair, which is no character";
}

const CONTROLS = /[^\P{Cc}\n\t]|\p{Bidi_Control}/gu;

/**
 * `text` without characters that steer a terminal or turn the direction of writing; line breaks and tabs stay. For what
 * somebody else wrote and an operator reads.
 */
export const withoutControls = (text: string): string => text.replaceAll(CONTROLS, "");

/** The same characters as `\u001b`, which is what they are in JSON too. Colours stay: they are ours. */
export const escapeControls = (text: string): string =>
  text.replaceAll(CONTROLS, (char, at: number) => (char === ESCAPE && isColour(text, at + 1) ? char : escaped(char)));

const ESCAPE = String.fromCharCode(0x1b);
/** What is behind the escape character of a colour. */
const COLOUR = /\[[0-9;]{0,32}m/y;

function isColour(text: string, at: number): boolean {
  COLOUR.lastIndex = at;
  return COLOUR.test(text);
}

const escaped = (char: string): string => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
