/** Names in groups whose `name in (…)` fits into a label selector of 500 characters. */
export function selectorsOfNames(names: readonly string[], maxLength = 500): readonly string[] {
  const groups: string[] = [];
  const close = (list: readonly string[]): string => `name in (${list.join(",")})`;
  let group: string[] = [];
  for (const name of names) {
    if (group.length > 0 && close([...group, name]).length > maxLength) {
      groups.push(close(group));
      group = [];
    }
    group.push(name);
  }
  return group.length > 0 ? [...groups, close(group)] : groups;
}
