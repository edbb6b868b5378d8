import { SkerryError } from "../../../shared/base/errors.ts";

/** Keywords that a grammar can keep to, and those that say nothing about the value. */
const KEPT: ReadonlySet<string> = new Set([
  "type",
  "const",
  "enum",
  "oneOf",
  "properties",
  "required",
  "additionalProperties",
  "minProperties",
  "maxProperties",
  "items",
  "prefixItems",
  "minItems",
  "maxItems",
  "minLength",
  "maxLength",
  "format",
  "$ref",
  "$defs",
]);
const SAID: ReadonlySet<string> = new Set(["title", "description", "default", "examples", "$schema", "$id"]);
const FORMATS: ReadonlySet<unknown> = new Set(["date-time", "time", "date"]);
const COUNTS: ReadonlySet<string> = new Set([
  "minProperties",
  "maxProperties",
  "minItems",
  "maxItems",
  "minLength",
  "maxLength",
]);
const MAX_COUNT = 1_000;
const MAX_SCHEMAS = 1_000;

type Schema = Readonly<Record<string, unknown>>;

/**
 * A JSON schema as the runtime's grammars take it: `anyOf` is written as `oneOf`, which means the same to a writer, and what
 * says nothing about the value is left out. Throws `SkerryError` INVALID_REQUEST for a keyword that would be ignored.
 */
export function grammarSchema(schema: Schema): Schema {
  let left = MAX_SCHEMAS;
  return convert(schema, "the schema");

  function convert(value: unknown, at: string): Schema {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused(`${at} is no object`);
    if ((left -= 1) < 0) throw refused(`it has more than ${MAX_SCHEMAS} parts`);
    const converted: [string, unknown][] = [];
    for (const [key, inner] of Object.entries(value)) {
      const name = key === "anyOf" ? "oneOf" : key === "definitions" ? "$defs" : key;
      if (SAID.has(name)) continue;
      if (!KEPT.has(name)) throw refused(`${at} has \`${key.slice(0, 64)}\`, which an answer cannot be held to`);
      converted.push([name, keyword(name, inner, `${at} → ${key.slice(0, 64)}`)]);
    }
    return Object.fromEntries(converted);
  }

  function keyword(name: string, value: unknown, at: string): unknown {
    if (COUNTS.has(name)) return count(value, at);
    switch (name) {
      case "oneOf":
      case "prefixItems":
        if (!Array.isArray(value)) throw refused(`${at} is no list`);
        return value.map((each: unknown, i) => convert(each, `${at} ${i + 1}`));
      case "properties":
      case "$defs":
        if (typeof value !== "object" || value === null) throw refused(`${at} is no object`);
        return Object.fromEntries(
          Object.entries(value).map(([key, each]) => [key, convert(each, `${at} → ${key.slice(0, 64)}`)]),
        );
      case "items":
        return convert(value, at);
      case "additionalProperties":
        return typeof value === "boolean" ? value : convert(value, at);
      case "format":
        if (!FORMATS.has(value)) throw refused(`${at} is none of date-time, time, date`);
        return value;
      case "$ref":
        if (typeof value !== "string") throw refused(`${at} is no text`);
        return value.replace(/^#\/definitions\//, "#/$defs/");
      default:
        return value;
    }
  }
}

function count(value: unknown, at: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > MAX_COUNT)
    throw refused(`${at} is no whole number from 0 to ${MAX_COUNT}`);
  return value;
}

const refused = (why: string): SkerryError =>
  new SkerryError("INVALID_REQUEST", `\`response_format\` was refused: ${why}`);
