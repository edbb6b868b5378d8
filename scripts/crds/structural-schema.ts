import { z } from "zod";

/** A structural schema of Kubernetes: the part of JSON Schema that a custom resource may be described with. */
export interface StructuralSchema {
  readonly [keyword: string]: unknown;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly items?: StructuralSchema;
  readonly required?: readonly string[];
}

/** A rule in CEL, and the sentence for what breaks it. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  /** The field that is to blame, below the one with the rule. */
  readonly fieldPath?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** The longest text that each pattern lets through: the server estimates what a rule costs from it. */
const LONGEST: readonly (readonly [RegExp, number])[] = [
  [/\{0,62\}\$$/, 63],
  [/\{0,31\}\$$/, 32],
  [/\[0-9a-f\]\{64\}\$$/, 71],
  [/%\$$/, 7],
  [/(\[0-5\]\[0-9\]|24:00\))\$$/, 5],
];
const RULES = "x-kubernetes-validations";

/**
 * `schema` as the API server takes it. A pattern becomes a rule with the schema's own sentence, because the server's names the
 * expression alone; what a caller may leave out is not required; unknown fields are the server's to refuse.
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    io: "input",
    override({ zodSchema, jsonSchema }) {
      // The document may hold what the sentence is made of.
      if (typeof jsonSchema.pattern === "string")
        Object.assign(jsonSchema, { "x-sentence": sentenceOf(zodSchema as unknown as z.ZodType) });
    },
  });
  const { $defs = {} } = json;
  return convert(json as Json, $defs as Readonly<Record<string, Json>>);
}

/** What the schema says of a text that is none of its own. */
function sentenceOf(schema: z.ZodType): string {
  return schema.safeParse("\0").error?.issues[0]?.message ?? "";
}

function convert(json: Json, definitions: Readonly<Record<string, Json>>): StructuralSchema {
  const inner = (child: unknown): StructuralSchema => convert(child as Json, definitions);
  if (typeof json["$ref"] === "string") return inner(definitions[json["$ref"].replace("#/$defs/", "")]);
  if (Array.isArray(json["anyOf"])) return intOrString(json["anyOf"] as readonly Json[], json);
  // The format is the server's own, which knows instants.
  if (json["format"] === "date-time") return pick(json, ["type", "format", "description"]);
  const { properties, items, additionalProperties, propertyNames, pattern } = json;
  const kept = pick(json, [
    "type",
    "description",
    "default",
    "enum",
    "required",
    "maxItems",
    "minItems",
    "maxProperties",
  ]);
  const bounds = pick(json, ["minimum", "maximum", "minLength", "maxLength"]);
  return {
    ...kept,
    ...withoutSafeIntegers(bounds),
    ...(typeof pattern === "string" && patternRule(pattern, String(json["x-sentence"]))),
    ...(isObject(properties) && { properties: mapValues(properties, inner) }),
    ...(isObject(items) && { items: inner(items) }),
    ...(isObject(additionalProperties) && { additionalProperties: inner(additionalProperties) }),
    ...(isObject(propertyNames) && { [RULES]: [keyRule(propertyNames)] }),
  };
}

/** A number or a text, as Kubernetes has it for ports. */
function intOrString(options: readonly Json[], { description }: Json): StructuralSchema {
  const number = options.find(({ type }) => type === "integer");
  const text = options.find(({ type }) => type === "string");
  if (!number || typeof text?.["pattern"] !== "string" || options.length !== 2)
    throw new Error(`no structural schema for ${JSON.stringify(options)}`);
  const [minimum, maximum, sentence] = [number["minimum"], number["maximum"], text["x-sentence"]].map(String);
  return {
    ...(description !== undefined && { description }),
    "x-kubernetes-int-or-string": true,
    maxLength: longest(text["pattern"]),
    [RULES]: [
      {
        rule: `type(self) == int ? self >= ${minimum} && self <= ${maximum} : self.matches('${text["pattern"]}')`,
        message: `a number from ${minimum} to ${maximum}, or a name: ${sentence}`,
      },
    ],
  };
}

function patternRule(pattern: string, message: string): Json {
  return { maxLength: longest(pattern), [RULES]: [{ rule: `self.matches('${pattern}')`, message }] };
}

function longest(pattern: string): number {
  const found = LONGEST.find(([end]) => end.test(pattern));
  if (!found) throw new Error(`say in LONGEST how long a text may be that matches ${pattern}`);
  return found[1];
}

/** Structural schemas know nothing of the names in a map. */
function keyRule({ minLength, maxLength }: Json): Rule {
  return {
    rule: `self.all(name, name.size() >= ${Number(minLength)} && name.size() <= ${Number(maxLength)})`,
    message: `names must have ${Number(minLength)}–${Number(maxLength)} characters`,
  };
}

/** What JavaScript can count to is no bound of ours. */
const withoutSafeIntegers = (bounds: Json): Json =>
  Object.fromEntries(Object.entries(bounds).filter(([, value]) => Math.abs(Number(value)) !== Number.MAX_SAFE_INTEGER));

const pick = (from: Json, names: readonly string[]): Json =>
  Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]));

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const mapValues = (
  of: Json,
  change: (value: unknown) => StructuralSchema,
): Readonly<Record<string, StructuralSchema>> =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, change(value)]));
