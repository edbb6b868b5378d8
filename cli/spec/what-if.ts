import { usageFailure } from "../failure.ts";

/** The part of a plan's question that is about nodes, as the API takes it. The API checks names and values. */
export interface NodeChanges {
  readonly add: readonly object[];
  readonly remove: readonly string[];
  readonly cordon: readonly string[];
  readonly uncordon: readonly string[];
  readonly drain: readonly string[];
  readonly load: readonly object[];
}

export const WHAT_IF_HELP =
  "a change of the fleet: cordon=NODE, uncordon=NODE, drain=NODE, remove=NODE, add=NAME,like=NODE or load=NODE,cpuPct=90; again for more";

const OF_NODE = ["remove", "cordon", "uncordon", "drain"] as const;
const ADD_TEXTS = ["like", "kind", "site", "zone"] as const;
const ADD_NUMBERS = ["memMiB", "diskMiB", "maxOpset", "maxIrVersion"] as const;
const LOAD_NUMBERS = ["cpuPct", "diskFreeMiB", "rttMs"] as const;

/** What `--what-if` options say. Throws a usage failure for one that cannot be understood. */
export function readNodeChanges(texts: readonly string[]): NodeChanges {
  const changes = texts.map((text) => {
    const [first = "", ...rest] = text.split(",");
    const [what, name] = keyAndValue(first, text);
    const fields = rest.map((field) => keyAndValue(field, text));
    if (what === "add") return { what, value: added(name, fields, text) };
    if (what === "load") return { what, value: { node: name, ...numbers(fields, LOAD_NUMBERS, text) } };
    const list = OF_NODE.find((each) => each === what);
    if (list === undefined || rest.length > 0)
      throw usageFailure(`--what-if ${text} cannot be understood`, `write ${WHAT_IF_HELP}`);
    return { what: list, value: name };
  });
  const textsOf = (list: (typeof OF_NODE)[number]): readonly string[] =>
    changes.flatMap(({ what, value }) => (what === list && typeof value === "string" ? [value] : []));
  const objectsOf = (list: "add" | "load"): readonly object[] =>
    changes.flatMap(({ what, value }) => (what === list && typeof value === "object" ? [value] : []));
  return {
    add: objectsOf("add"),
    remove: textsOf("remove"),
    cordon: textsOf("cordon"),
    uncordon: textsOf("uncordon"),
    drain: textsOf("drain"),
    load: objectsOf("load"),
  };
}

type Field = readonly [key: string, value: string];

function added(name: string, fields: readonly Field[], text: string): object {
  const isLabel = ([key]: Field): boolean => key.startsWith("label.");
  const isText = ([key]: Field): boolean => ADD_TEXTS.some((each) => each === key);
  const labels = fields.filter(isLabel).map(([key, value]) => [key.slice("label.".length), value] as const);
  return {
    name,
    ...Object.fromEntries(fields.filter(isText)),
    ...(labels.length > 0 && { labels: Object.fromEntries(labels) }),
    capabilities: numbers(
      fields.filter((field) => !isLabel(field) && !isText(field)),
      ADD_NUMBERS,
      text,
    ),
  };
}

function numbers(fields: readonly Field[], known: readonly string[], text: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    fields.map(([key, value]) => {
      if (!known.includes(key))
        throw usageFailure(`--what-if ${text} has an unknown field ${key}`, `known are ${known.join(", ")}`);
      const number = Number(value);
      if (value === "" || !Number.isFinite(number))
        throw usageFailure(`--what-if ${text}: ${key} must be a number, not ${value}`);
      return [key, number];
    }),
  );
}

function keyAndValue(text: string, whole: string): Field {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1)
    throw usageFailure(`--what-if ${whole} cannot be understood`, `write ${WHAT_IF_HELP}`);
  return [text.slice(0, at), text.slice(at + 1)];
}
