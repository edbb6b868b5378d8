import { SkerryError } from "../base/errors.ts";

/** 400: the caller's mistake. `detail` names the tensor, what is wrong with it and what to do; it never quotes an element. */
export const invalid = (detail: string): SkerryError => new SkerryError("INVALID_REQUEST", detail);

/** 501: a known extension of the protocol that is not served. Ignoring it would change the meaning of the answer. */
export const notServed = (detail: string): SkerryError => new SkerryError("NOT_SERVED", detail);

/** What a value is, for a message that may not show the value itself. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "number" || typeof value === "bigint") return "a number";
  return `a ${typeof value}`;
}
