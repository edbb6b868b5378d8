import { SkerryError } from "../../../shared/base/errors.ts";

/** What says by itself which values there are. */
const WHOLE = ["$ref", "oneOf", "enum", "const"] as const;
/** The types, and the keywords that a grammar can keep to for each. */
const TYPES: ReadonlyMap<unknown, readonly string[]> = new Map([
  ["object", ["properties", "required", "additionalProperties", "minProperties", "maxProperties"]],
  ["array", ["items", "prefixItems", "minItems", "maxItems"]],
  ["string", ["minLength", "maxLength", "format"]],
  ["number", []],
  ["integer", []],
  ["boolean", []],
  ["null", []],
]);
const KEPT: ReadonlySet<string> = new Set([...WHOLE, "type", "$defs", ...[...TYPES.values()].flat()]);
/** They say nothing about the value. */
const SAID: ReadonlySet<string> = new Set(["title", "description", "default", "examples", "$schema", "$id"]);
const SAME: ReadonlyMap<string, string> = new Map([
  ["anyOf", "oneOf"],
  ["definitions", "$defs"],
]);
const FORMATS: ReadonlySet<unknown> = new Set(["date-time", "time", "date"]);
const MAX_COUNT = 1_000;
const MAX_SCHEMAS = 1_000;

type Schema = Readonly<Record<string, unknown>>;
type Keywords = ReadonlyMap<string, unknown>;

/**
 * A JSON schema as the runtime's grammars take it: `anyOf` is written as `oneOf`, which means the same to a writer, a list of
 * types as `oneOf` of each, and what says nothing about the value is left out. Throws `SkerryError` INVALID_REQUEST that
 * names the place for what a grammar would ignore or take for something else.
 */
export function grammarSchema(schema: Schema): Schema {
  return new Converter().convertAll(schema);
}

class Converter {
  #left = MAX_SCHEMAS;
  #defined: ReadonlySet<string> = new Set();
  /** Definitions that a schema may be, without a bracket before them. */
  readonly #beginsWith = new Map<unknown, readonly string[]>();

  convertAll(schema: Schema): Schema {
    const at = "the schema";
    const { $defs, ...rest } = Object.fromEntries(this.#keywords(schema, at));
    if ($defs === undefined) return this.#value(new Map(Object.entries(rest)), at);
    const definitions = entriesOf($defs, `${at} → $defs`);
    this.#defined = new Set(definitions.map(([name]) => name));
    const converted = definitions.map(([name, each]): [string, Schema] => [
      name,
      this.#convert(each, `${at} → $defs → ${short(name)}`),
    ]);
    this.#refuseCircles(new Map(converted));
    return { ...this.#value(new Map(Object.entries(rest)), at), $defs: Object.fromEntries(converted) };
  }

  #convert(value: unknown, at: string): Schema {
    const keywords = this.#keywords(value, at);
    if (keywords.has("$defs")) throw refused(`${at} has definitions; they belong to the top of the schema`);
    return this.#value(keywords, at);
  }

  /** By the names of grammars, without what says nothing. */
  #keywords(value: unknown, at: string): Keywords {
    if ((this.#left -= 1) < 0) throw refused(`it has more than ${MAX_SCHEMAS} parts`);
    const keywords = new Map<string, unknown>();
    for (const [key, inner] of entriesOf(value, at)) {
      const name = SAME.get(key) ?? key;
      if (SAID.has(name)) continue;
      if (!KEPT.has(name)) throw refused(`${at} has \`${short(key)}\`, which an answer cannot be held to`);
      if (keywords.has(name)) throw refused(`${at} has \`${name}\` under two names`);
      keywords.set(name, inner);
    }
    return keywords;
  }

  #value(keywords: Keywords, at: string): Schema {
    const whole = WHOLE.find((name) => keywords.has(name));
    if (whole !== undefined) return this.#whole(whole, keywords, at);
    const types = typesOf(keywords.get("type"), at);
    const known = new Set(["type", ...types.flatMap((type) => TYPES.get(type) ?? [])]);
    for (const name of keywords.keys())
      if (!known.has(name)) throw refused(`${at} has \`${name}\`, which says nothing of its type`);
    const [only, ...others] = types.map((type) => this.#ofType(type, keywords, at));
    return only !== undefined && others.length === 0 ? only : { oneOf: [only, ...others] };
  }

  #whole(name: (typeof WHOLE)[number], keywords: Keywords, at: string): Schema {
    const value = keywords.get(name);
    const here = `${at} → ${name}`;
    const isLiteral = name === "enum" || name === "const";
    for (const other of keywords.keys())
      if (other !== name && !(isLiteral && other === "type"))
        throw refused(`${at} has \`${other}\` beside \`${name}\`, which an answer cannot be held to`);
    if (name === "$ref") return this.#reference(value, here);
    const list = name === "const" ? [value] : listOf(value, here);
    if (list.length === 0) throw refused(`${here} is empty`);
    if (name === "oneOf") {
      const oneOf = list.map((each, i) => this.#convert(each, `${here} ${i + 1}`));
      const schema = { oneOf };
      this.#beginsWith.set(
        schema,
        oneOf.flatMap((each) => this.#beginsWith.get(each) ?? []),
      );
      return schema;
    }
    if (list.some((each) => typeof each === "object" && each !== null))
      throw refused(`${here} has a list or an object, which an answer cannot be held to`);
    const types = keywords.has("type") ? typesOf(keywords.get("type"), at) : [...TYPES.keys()];
    if (!list.every((each) => types.some((type) => isOfType(type, each))))
      throw refused(`${here} has a value of another type`);
    return { [name]: value };
  }

  #reference(value: unknown, at: string): Schema {
    const [, name] = typeof value === "string" ? (/^#\/(?:\$defs|definitions)\/(.+)$/s.exec(value) ?? []) : [];
    if (name === undefined || !this.#defined.has(name))
      throw refused(`${at} is none of the definitions of this schema (\`#/$defs/NAME\`)`);
    const schema = { $ref: `#/$defs/${name}` };
    this.#beginsWith.set(schema, [name]);
    return schema;
  }

  /** A grammar that begins with itself can be read by nothing. */
  #refuseCircles(definitions: ReadonlyMap<string, Schema>): void {
    for (const start of definitions.keys()) {
      const seen = new Set<string>();
      const open = [start];
      for (let name = open.pop(); name !== undefined; name = open.pop()) {
        for (const next of this.#beginsWith.get(definitions.get(name)) ?? []) {
          if (next === start) throw refused(`the schema → $defs → ${short(start)} refers to itself`);
          if (!seen.has(next)) open.push(next);
          seen.add(next);
        }
      }
    }
  }

  #ofType(type: unknown, keywords: Keywords, at: string): Schema {
    const schema: Record<string, unknown> = { type };
    for (const name of TYPES.get(type) ?? [])
      if (keywords.has(name)) schema[name] = this.#keyword(name, keywords.get(name), `${at} → ${name}`);
    // A grammar would write `{}` and nothing else.
    if (type === "object" && !keywords.has("properties")) schema["additionalProperties"] ??= true;
    if (type === "object") checkObject(schema, at);
    if (type === "array") checkRange(schema, { least: "minItems", most: "maxItems", at });
    if (type === "string") checkRange(schema, { least: "minLength", most: "maxLength", at });
    const first = Array.isArray(schema["prefixItems"]) ? schema["prefixItems"].length : 0;
    if (Number(schema["maxItems"] ?? MAX_COUNT) < first)
      throw refused(`${at} has \`maxItems\` below its \`prefixItems\``);
    if ("format" in schema && ("minLength" in schema || "maxLength" in schema))
      throw refused(`${at} has a length beside \`format\`, which an answer cannot be held to`);
    return schema;
  }

  #keyword(name: string, value: unknown, at: string): unknown {
    switch (name) {
      case "properties":
        return Object.fromEntries(
          entriesOf(value, at).map(([key, each]) => [key, this.#convert(each, `${at} → ${short(key)}`)]),
        );
      case "required":
        return listOf(value, at);
      case "additionalProperties":
        return typeof value === "boolean" ? value : this.#convert(value, at);
      case "items":
        return this.#convert(value, at);
      case "prefixItems":
        return listOf(value, at).map((each, i) => this.#convert(each, `${at} ${i + 1}`));
      case "format":
        if (!FORMATS.has(value)) throw refused(`${at} is none of date-time, time, date`);
        return value;
      default:
        return count(value, at);
    }
  }
}

/** A grammar writes all `properties`, and others only where the schema allows them. */
function checkObject(schema: Schema, at: string): void {
  checkRange(schema, { least: "minProperties", most: "maxProperties", at });
  const names = new Set(Object.keys(schema["properties"] ?? {}));
  for (const name of listOf(schema["required"] ?? [], at))
    if (typeof name !== "string" || !names.has(name))
      throw refused(`${at} → required has ${short(JSON.stringify(name))}, which is none of its \`properties\``);
  if (Number(schema["maxProperties"] ?? MAX_COUNT) < names.size && "maxProperties" in schema)
    throw refused(`${at} has \`maxProperties\` below its \`properties\``);
  if (Number(schema["minProperties"] ?? 0) > names.size && (schema["additionalProperties"] ?? false) === false)
    throw refused(`${at} has \`minProperties\` above its \`properties\`, and no \`additionalProperties\``);
}

function checkRange(
  schema: Schema,
  { least, most, at }: { readonly least: string; readonly most: string; readonly at: string },
): void {
  if (Number(schema[most] ?? MAX_COUNT) < Number(schema[least] ?? 0))
    throw refused(`${at} has \`${most}\` below \`${least}\``);
}

/** At least one, none of them twice. */
function typesOf(value: unknown, at: string): readonly unknown[] {
  if (value === undefined) throw refused(`${at} has no \`type\`, without which an answer cannot be held to it`);
  const types: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (types.length === 0 || new Set(types).size < types.length || !types.every((type) => TYPES.has(type)))
    throw refused(`${at} → type is none of ${[...TYPES.keys()].join(", ")}`);
  return types;
}

function isOfType(type: unknown, value: unknown): boolean {
  if (value === null) return type === "null";
  if (Array.isArray(value)) return type === "array";
  return type === "integer" ? Number.isInteger(value) : typeof value === type;
}

function entriesOf(value: unknown, at: string): readonly [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused(`${at} is no object`);
  return Object.entries(value);
}

function listOf(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value)) throw refused(`${at} is no list`);
  return value;
}

function count(value: unknown, at: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > MAX_COUNT)
    throw refused(`${at} is no whole number from 0 to ${MAX_COUNT}`);
  return value;
}

const short = (name: string): string => name.slice(0, 64);

const refused = (why: string): SkerryError =>
  new SkerryError("INVALID_REQUEST", `\`response_format\` was refused: ${why}`);
