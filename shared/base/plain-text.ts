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
