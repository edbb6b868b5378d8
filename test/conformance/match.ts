/**
 * Compares what a server answered with what a case expects. Objects may hold more than is asked for, as the protocol
 * lets servers add; arrays must be equal element by element. An object with one key that begins with `$` is a rule:
 *
 *   {$absent: true}       the key must not be there         {$type: string}      the JSON type
 *   {$matches: "^a"}      a text that the pattern finds      {$flat: [1, 2]}      these elements, nested or flat
 *   {$int: "9007199254740993"}  this integer, every digit    {$close: [0.1]}      the same within one part in 10⁵
 *   {$includes: [...]}    an array with at least these       {$exactly: {...}}    an object with these keys and no others
 *
 * Returns one complaint for each difference, with its place; none: it matches.
 */
export function differences(expected: unknown, actual: unknown, place = "body"): readonly string[] {
  const rule = ruleOf(expected);
  if (rule) return RULES[rule.name]?.(rule.value, actual, place) ?? [`${place}: there is no rule ${rule.name}`];
  if (Array.isArray(expected)) return arrayDifferences(expected, actual, place);
  if (isObject(expected)) return objectDifferences(expected, actual, place);
  return same(expected, actual) ? [] : [`${place} is ${shown(actual)}, not ${shown(expected)}`];
}

type Rule = (value: unknown, actual: unknown, place: string) => readonly string[];

const RULES: Readonly<Record<string, Rule>> = {
  $absent: (_, actual, place) => (actual === undefined ? [] : [`${place} is there: ${shown(actual)}`]),
  $type: (value, actual, place) =>
    jsonType(actual) === value ? [] : [`${place} is ${jsonType(actual)}, not ${String(value)}`],
  $matches: (value, actual, place) =>
    typeof actual === "string" && new RegExp(String(value)).test(actual)
      ? []
      : [`${place} is ${shown(actual)}, which /${String(value)}/ does not find`],
  $int: (value, actual, place) =>
    String(actual) === value ? [] : [`${place} is ${shown(actual)}, not ${String(value)}`],
  $flat: (value, actual, place) =>
    Array.isArray(actual)
      ? differences(value, actual.flat(Infinity), place)
      : [`${place} is ${jsonType(actual)}, not an array`],
  $close: closeDifferences,
  $includes(value, actual, place) {
    if (!Array.isArray(value) || !Array.isArray(actual)) return [`${place} is ${jsonType(actual)}, not an array`];
    return value
      .filter((wanted) => !actual.some((item) => differences(wanted, item).length === 0))
      .map((wanted) => `${place} has no ${shown(wanted)} in ${shown(actual)}`);
  },
  $exactly(value, actual, place) {
    if (!isObject(value) || !isObject(actual)) return [`${place} is ${jsonType(actual)}, not an object`];
    const extra = Object.keys(actual).filter((key) => !Object.hasOwn(value, key));
    return [...extra.map((key) => `${place}.${key} should not be there`), ...differences(value, actual, place)];
  },
};

function closeDifferences(value: unknown, actual: unknown, place: string): readonly string[] {
  if (Array.isArray(value)) {
    const flat = Array.isArray(actual) ? actual.flat(Infinity) : [];
    if (flat.length !== value.length) return [`${place} has ${flat.length} elements, not ${value.length}`];
    return value.flatMap((each: unknown, i) => closeDifferences(each, flat[i], `${place}[${i}]`));
  }
  const [wanted, got] = [Number(value), Number(actual)];
  return Math.abs(wanted - got) <= Math.max(1, Math.abs(wanted)) * 1e-5 ? [] : [`${place} is ${got}, not ${wanted}`];
}

function arrayDifferences(expected: readonly unknown[], actual: unknown, place: string): readonly string[] {
  if (!Array.isArray(actual)) return [`${place} is ${jsonType(actual)}, not an array`];
  if (actual.length !== expected.length) return [`${place} has ${actual.length} elements, not ${expected.length}`];
  return expected.flatMap((each, i) => differences(each, actual[i], `${place}[${i}]`));
}

function objectDifferences(expected: object, actual: unknown, place: string): readonly string[] {
  if (!isObject(actual)) return [`${place} is ${jsonType(actual)}, not an object`];
  return Object.entries(expected).flatMap(([key, value]) => differences(value, actual[key], `${place}.${key}`));
}

function ruleOf(expected: unknown): { readonly name: string; readonly value: unknown } | undefined {
  if (!isObject(expected)) return undefined;
  const [[name, value] = ["", undefined], ...others] = Object.entries(expected);
  return others.length === 0 && name.startsWith("$") ? { name, value } : undefined;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Long integers come as BigInt. */
const same = (a: unknown, b: unknown): boolean =>
  Object.is(a, b) ||
  (typeof a === "number" && a === 0 && b === 0) ||
  (typeof b === "bigint" && String(a) === String(b));

function jsonType(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "bigint" ? "number" : typeof value;
}

const shown = (value: unknown): string =>
  (JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each)) ?? "missing").slice(
    0,
    200,
  );
