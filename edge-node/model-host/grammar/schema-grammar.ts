import { SkerryError } from "../../../shared/base/errors.ts";
import type { Expression, Expressions, Reference } from "./expression.ts";
import type { JsonTexts } from "./json-texts.ts";

/** A schema as `grammarSchema` writes it. */
type Schema = Readonly<Record<string, unknown>>;

/**
 * The texts of the values that a schema allows. Objects have all properties that are named, in their order. Throws
 * `SkerryError` INVALID_REQUEST when there is no such value, or one that has no end.
 */
export function schemaTexts(schema: Schema, all: Expressions, json: JsonTexts): Expression {
  const definitions = new Map(Object.entries(objectAt(schema, "$defs")));
  const references = new Map<string, Reference>();
  for (const name of finite(definitions)) references.set(name, all.reference());
  const writer = new SchemaWriter(all, json, references);
  for (const [name, reference] of references) all.define(reference, writer.texts(definitions.get(name)));
  const texts = writer.texts(schema);
  if (texts === all.nothing) throw refused("no value that has an end fits the schema");
  return texts;
}

class SchemaWriter {
  readonly #all: Expressions;
  readonly #json: JsonTexts;
  readonly #references: ReadonlyMap<string, Reference>;

  /** `references`: of the definitions that have values. */
  constructor(all: Expressions, json: JsonTexts, references: ReadonlyMap<string, Reference>) {
    this.#all = all;
    this.#json = json;
    this.#references = references;
  }

  /** Nothing where no value fits. */
  texts(value: unknown): Expression {
    const [all, json] = [this.#all, this.#json];
    const schema = asSchema(value);
    if ("$ref" in schema) return this.#references.get(nameIn(schema["$ref"])) ?? all.nothing;
    if ("oneOf" in schema) return all.choice(listAt(schema, "oneOf").map((each) => this.texts(each)));
    if ("const" in schema) return all.text(JSON.stringify(schema["const"]));
    if ("enum" in schema) return all.choice(listAt(schema, "enum").map((each) => all.text(JSON.stringify(each))));
    switch (schema["type"]) {
      case "object":
        return this.#object(schema);
      case "array":
        return this.#array(schema);
      case "string":
        return this.#string(schema);
      case "integer":
        return json.integer;
      case "number":
        return json.number;
      case "boolean":
        return json.boolean;
      default:
        return all.text("null");
    }
  }

  #object(schema: Schema): Expression {
    const members = Object.entries(objectAt(schema, "properties")).map(
      ([name, each]) => [name, this.texts(each)] as const,
    );
    const names = members.map(([name]) => name);
    const { additionalProperties: more = false, minProperties: least = 0 } = schema;
    // A name that comes twice counts once, and an automaton does not remember which names there were.
    if (Number(least) > names.length)
      throw refused(
        "`minProperties` above the number of `properties`, which an answer of a model in ONNX cannot be held to",
      );
    const value = more === false ? this.#all.nothing : more === true ? this.#json.any : this.texts(more);
    if (value === this.#all.nothing) return this.#json.object(members, undefined);
    const key = names.length === 0 ? this.#json.string() : this.#json.nameBut(names);
    return this.#json.object(members, { key, value }, numberAt(schema, "maxProperties", Infinity));
  }

  #array(schema: Schema): Expression {
    const first = listAt(schema, "prefixItems").map((each) => this.texts(each));
    const min = numberAt(schema, "minItems", 0);
    const isOpen = first.length === 0 || min > first.length;
    const more = "items" in schema ? this.texts(schema["items"]) : isOpen ? this.#json.any : this.#all.nothing;
    return this.#json.array(first, more, min, numberAt(schema, "maxItems", Infinity));
  }

  #string(schema: Schema): Expression {
    const { format } = schema;
    if (format === "date" || format === "time" || format === "date-time") return this.#json.formatted(format);
    return this.#json.string(numberAt(schema, "minLength", 0), numberAt(schema, "maxLength", Infinity));
  }
}

/** The definitions that some value fits which has an end: not those that hold themselves in every value. */
function finite(definitions: ReadonlyMap<string, unknown>): ReadonlySet<string> {
  const known = new Set<string>();
  for (let before = -1; before < known.size;) {
    before = known.size;
    for (const [name, each] of definitions) if (!known.has(name) && hasValue(each, known)) known.add(name);
  }
  return known;
}

/** `known`: definitions that have one. */
function hasValue(value: unknown, known: ReadonlySet<string>): boolean {
  const schema = asSchema(value);
  if ("$ref" in schema) return known.has(nameIn(schema["$ref"]));
  if ("oneOf" in schema) return listAt(schema, "oneOf").some((each) => hasValue(each, known));
  const needed = [...Object.values(objectAt(schema, "properties")), ...listAt(schema, "prefixItems")];
  const needsItems = numberAt(schema, "minItems", 0) > listAt(schema, "prefixItems").length;
  if (needsItems && "items" in schema) needed.push(schema["items"]);
  return needed.every((each) => hasValue(each, known));
}

const nameIn = (reference: unknown): string => String(reference).replace("#/$defs/", "");

function asSchema(value: unknown): Schema {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

const objectAt = (schema: Schema, name: string): Schema => asSchema(schema[name]);
const listAt = (schema: Schema, name: string): readonly unknown[] => {
  const value = schema[name];
  return Array.isArray(value) ? value : [];
};
const numberAt = (schema: Schema, name: string, otherwise: number): number => Number(schema[name] ?? otherwise);

const refused = (why: string): SkerryError =>
  new SkerryError("INVALID_REQUEST", `\`response_format\` was refused: ${why}`);
