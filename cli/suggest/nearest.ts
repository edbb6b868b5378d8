/** The name among `names` that a slip of the keyboard turns into `wrong`; undefined when none is near, or it is there. */
export function nearest(wrong: string, names: readonly string[]): string | undefined {
  if (names.includes(wrong)) return undefined;
  const near = names
    .map((name) => ({ name, distance: distance(wrong, name) }))
    .filter(({ name, distance: far }) => far <= Math.max(1, Math.floor(Math.min(name.length, wrong.length) / 3)))
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return near[0]?.name ?? names.find((name) => wrong.length > 2 && name.startsWith(wrong));
}

/** Characters inserted, left out, replaced, or exchanged with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (isSame ? 0 : 1),
        isSwap ? (beforeLast[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
