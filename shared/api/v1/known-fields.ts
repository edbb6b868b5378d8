import { z } from "zod";

/**
 * What is said of a field that a schema does not have: `is not a known field; known are `a`, `b``. `path` leads from the
 * schema's top to the object that holds the field.
 */
export function unknownFieldMessage(schema: z.ZodType, path: readonly PropertyKey[]): string {
  const known = [...new Set(objectsAt(schema, path).flatMap(({ shape }) => Object.keys(shape)))];
  if (known.length === 0) return "is not a known field; none is known here";
  return `is not a known field; known are ${known.map((field) => `\`${field}\``).join(", ")}`;
}

/** The object schemas at `path`: several where the schema is a union. */
function objectsAt(schema: unknown, path: readonly PropertyKey[]): readonly z.ZodObject[] {
  const inner = innerOf(schema);
  if (inner !== undefined) return objectsAt(inner, path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => objectsAt(option, path));
  const [next, ...rest] = path;
  if (next === undefined) return schema instanceof z.ZodObject ? [schema] : [];
  if (schema instanceof z.ZodObject) return objectsAt(schema.shape[String(next)], rest);
  if (schema instanceof z.ZodArray) return objectsAt(schema.element, rest);
  if (schema instanceof z.ZodRecord) return objectsAt(schema.valueType, rest);
  return [];
}

/** What a wrapper takes. */
function innerOf(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return schema.unwrap();
  return schema instanceof z.ZodPipe ? schema.in : undefined;
}
