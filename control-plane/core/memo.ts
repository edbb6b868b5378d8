/**
 * `compute`, which is called once for each object while that object lives. For pure functions of immutable values that are
 * asked again and again, as the parts of one fleet are while it is planned for.
 */
export function memo<Key extends object, Value>(compute: (key: Key) => Value): (key: Key) => Value {
  const known = new WeakMap<Key, { readonly value: Value }>();
  return (key) => {
    let entry = known.get(key);
    if (!entry) {
      entry = { value: compute(key) };
      known.set(key, entry);
    }
    return entry.value;
  };
}
