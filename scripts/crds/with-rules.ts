import type { Rule, StructuralSchema } from "./structural-schema.ts";

/** What is said of one field beyond its schema: rules, or how the server merges a list. */
export interface FieldExtension {
  readonly rules?: readonly Rule[];
  readonly listMapKeys?: readonly string[];
  readonly listType?: "set" | "atomic";
}

/** `schema` with the extensions of the fields that `at` names, as `spec.placement` or `spec.aliases[]`. Throws when there is no such field. */
export function extended(schema: StructuralSchema, at: Readonly<Record<string, FieldExtension>>): StructuralSchema {
  return Object.entries(at).reduce(
    (changed, [path, extension]) => replaceAt(changed, path === "" ? [] : path.split("."), extension),
    schema,
  );
}

function replaceAt(schema: StructuralSchema, path: readonly string[], extension: FieldExtension): StructuralSchema {
  const [step, ...rest] = path;
  if (step === undefined) return extend(schema, extension);
  const name = step.replace("[]", "");
  const field = schema.properties?.[name];
  if (!field) throw new Error(`there is no field ${name}`);
  const items = field.items;
  if (!step.endsWith("[]"))
    return { ...schema, properties: { ...schema.properties, [name]: replaceAt(field, rest, extension) } };
  if (!items) throw new Error(`${name} is no list`);
  const list = { ...field, items: replaceAt(items, rest, extension) };
  return { ...schema, properties: { ...schema.properties, [name]: list } };
}

function extend(schema: StructuralSchema, { rules = [], listMapKeys, listType }: FieldExtension): StructuralSchema {
  const own = schema["x-kubernetes-validations"];
  const all = [...(Array.isArray(own) ? own : []), ...rules];
  return {
    ...schema,
    ...(all.length > 0 && { "x-kubernetes-validations": all }),
    ...(listMapKeys && { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": listMapKeys }),
    ...(listType && { "x-kubernetes-list-type": listType }),
  };
}
