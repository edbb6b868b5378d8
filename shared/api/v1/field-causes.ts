import type { z } from "zod";
import { unknownFieldMessage } from "./known-fields.ts";
import type { Cause } from "../../base/invalid-fields.ts";

type Issue = z.core.$ZodIssue;

/** Characters of a caller's own field name that an error repeats. */
const MAX_SHOWN = 64;

/** What zod found wrong, as a person would say it, one entry for each field. */
export function causesOfIssues(schema: z.ZodType, issues: readonly Issue[], input: unknown): Cause[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === "unrecognized_keys") {
      const message = unknownFieldMessage(schema, issue.path);
      return issue.keys.map((key) => ({ field: [...path, key.slice(0, MAX_SHOWN)].join("."), message }));
    }
    return [{ field: path.join("."), message: inWords(issue, valueAt(input, issue.path)) }];
  });
}

function inWords(issue: Issue, value: unknown): string {
  if (value === undefined && issue.code !== "custom") return "is missing";
  switch (issue.code) {
    case "invalid_type":
      return `must be ${withArticle(issue.expected)}, not ${nameOf(value)}`;
    case "too_small":
      return `must ${boundOf(issue.origin)} at least ${issue.minimum}${unitOf(issue.origin, issue.minimum)}`;
    case "too_big":
      return `must ${boundOf(issue.origin)} at most ${issue.maximum}${unitOf(issue.origin, issue.maximum)}`;
    case "invalid_value":
      return `must be ${issue.values.map((allowed) => `\`${String(allowed)}\``).join(" or ")}`;
    case "invalid_union":
      return unionInWords(issue.errors, value);
    case "custom":
      return issue.message;
    case "invalid_format":
    case "invalid_key":
    case "invalid_element":
    case "not_multiple_of":
    case "unrecognized_keys":
      // Our schemas say what a text must look like; zod's own words begin with "Invalid".
      return issue.message.startsWith("Invalid") ? `is not valid: ${issue.message}` : `must be ${issue.message}`;
  }
}

function unionInWords(alternatives: readonly (readonly Issue[])[], value: unknown): string {
  const wants = alternatives.map(([first]) => (first ? inWords(first, value) : "")).filter((text) => text !== "");
  return [...new Set(wants)].join(", or it ");
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

const withArticle = (type: string): string =>
  type === "int" ? "a whole number" : /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return withArticle(typeof value);
}

const isLength = (origin: string): boolean => origin === "string" || origin === "array" || origin === "set";
const boundOf = (origin: string): string => (isLength(origin) ? "have" : "be");

function unitOf(origin: string, count: number | bigint): string {
  if (!isLength(origin)) return "";
  const unit = origin === "string" ? "character" : "item";
  return ` ${unit}${Number(count) === 1 ? "" : "s"}`;
}
