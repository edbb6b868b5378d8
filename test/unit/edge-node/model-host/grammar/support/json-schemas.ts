import fc from "fast-check";

type Schema = Readonly<Record<string, unknown>>;
const NAMES = ["a", "ab", "b", "é", 'q"', "ende"];

/** Schemas that an answer of a decoder can be kept to, up to three levels deep. */
export const schemas: fc.Arbitrary<Schema> = fc.letrec<{ schema: Schema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, depthIdentifier: "schema" },
    { weight: 3, arbitrary: leaves() },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 3 }),
          fc.array(tie("schema"), { minLength: 3, maxLength: 3 }),
          fc.option(fc.oneof(fc.boolean(), tie("schema")), { nil: undefined }),
          fc.option(fc.nat(2), { nil: undefined }),
        )
        .map(([names, values, more, extra]) => ({
          type: "object",
          properties: Object.fromEntries(names.map((name, at) => [name, values[at]])),
          ...(more !== undefined && { additionalProperties: more }),
          ...(extra !== undefined && { maxProperties: names.length + extra }),
        })),
    },
    {
      weight: 2,
      arbitrary: fc
        .record({
          items: tie("schema"),
          first: fc.array(tie("schema"), { maxLength: 2 }),
          least: fc.nat(3),
          more: fc.nat(3),
        })
        .map(({ items, first, least, more }) => ({
          type: "array",
          items,
          ...(first.length > 0 && { prefixItems: first }),
          minItems: least,
          maxItems: Math.max(first.length, least + more),
        })),
    },
    { weight: 1, arbitrary: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })) },
  ),
})).schema;

function leaves(): fc.Arbitrary<Schema> {
  return fc.oneof(
    fc.constantFrom<Schema>(
      ...["integer", "number", "boolean", "null"].map((type) => ({ type })),
      ...["date", "time", "date-time"].map((format) => ({ type: "string", format })),
    ),
    fc
      .uniqueArray(fc.oneof(fc.string({ unit: "grapheme", maxLength: 3 }), fc.integer(), fc.boolean()), {
        minLength: 1,
      })
      .map((values) => ({ enum: values })),
    fc
      .tuple(fc.nat(3), fc.nat(4))
      .map(([least, more]) => ({ type: "string", minLength: least, maxLength: least + more })),
    fc.constant({ type: "string" }),
  );
}

/** Whether a value is one that the schema allows, as JSON Schema says it. */
export function isValid(value: unknown, schema: Schema): boolean {
  const { anyOf, enum: values, type } = schema;
  if (Array.isArray(anyOf)) return anyOf.some((each: Schema) => isValid(value, each));
  if (Array.isArray(values)) return values.includes(value);
  switch (type) {
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value) && isValidObject(value, schema);
    case "array":
      return Array.isArray(value) && isValidArray(value, schema);
    case "string":
      return typeof value === "string" && isValidString(value, schema);
    case "null":
      return value === null;
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return Number.isFinite(value);
    default:
      return typeof value === type;
  }
}

const among = (least: unknown, most: unknown, count: number): boolean =>
  count >= Number(least ?? 0) && count <= Number(most ?? Infinity);

function isValidObject(
  value: object,
  { properties = {}, additionalProperties: more, maxProperties, minProperties }: Schema,
): boolean {
  const known = new Map(Object.entries(properties as Record<string, Schema>));
  const entries = Object.entries(value);
  const open = Object.keys(properties as object).length === 0 && more === undefined;
  return (
    among(minProperties, maxProperties, entries.length) &&
    [...known.keys()].every((name) => Object.hasOwn(value, name)) &&
    entries.every(([name, each]) => {
      const schema = known.get(name);
      if (schema !== undefined) return isValid(each, schema);
      return open || more === true || (typeof more === "object" && isValid(each, more as Schema));
    })
  );
}

function isValidArray(value: readonly unknown[], { items, prefixItems = [], minItems, maxItems }: Schema): boolean {
  const first = prefixItems as readonly Schema[];
  return (
    among(minItems, maxItems, value.length) && value.every((each, at) => isValid(each, first[at] ?? (items as Schema)))
  );
}

function isValidString(value: string, { minLength, maxLength, format }: Schema): boolean {
  if (!among(minLength, maxLength, Array.from(value).length)) return false;
  const [, day = "", hour = ""] =
    /^(?:(\d{4}-\d\d-\d\d))?T?(?:(\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)))?$/.exec(value) ?? [];
  if (format === "date") return value === day && isDay(day);
  if (format === "time") return value === hour && isTime(hour);
  if (format === "date-time") return value === `${day}T${hour}` && isDay(day) && isTime(hour);
  return true;
}

/** `Date` turns a day that there is not into another one. */
const isDay = (day: string): boolean => {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
};
const isTime = (time: string): boolean => !Number.isNaN(new Date(`2024-01-01T${time}`).getTime());
