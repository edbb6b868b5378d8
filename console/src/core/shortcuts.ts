export type Shortcut =
  | { readonly kind: "prefix" | "help" | "search" }
  | { readonly kind: "page"; readonly path: string };

/** What a key means; undefined: nothing. `isAfterPrefix`: `g` was pressed just before. */
export function shortcutOf(
  key: string,
  isAfterPrefix: boolean,
  pages: readonly { readonly key: string; readonly path: string }[],
): Shortcut | undefined {
  if (isAfterPrefix) {
    const page = pages.find((each) => each.key === key);
    return page && { kind: "page", path: page.path };
  }
  if (key === "g") return { kind: "prefix" };
  if (key === "?") return { kind: "help" };
  return key === "/" ? { kind: "search" } : undefined;
}
