type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null;

/** True when both are the same by value: plain objects, arrays and primitives. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b)) return false;
  for (const key in a) if (!isEqual(a[key], b[key])) return false;
  for (const key in b) if (b[key] !== undefined && !(key in a)) return false;
  return true;
}

/** True when `a` and `b`, which have the same fields, have equal values of every field but `without`. */
export function isEqualBut<Of extends object>(a: Of, b: Of, without: readonly (keyof Of)[]): boolean {
  for (const key in a) if (!without.includes(key) && !isEqual(a[key], b[key])) return false;
  return true;
}
