/** One page of the console: where it is, and the letter that `g` leads to it with. */
export interface PageInfo {
  readonly path: string;
  readonly name: string;
  readonly key: string;
  readonly group: "Fleet" | "Models" | "System";
}

/** In the order of the navigation. */
export const PAGES: readonly PageInfo[] = [
  { path: "/", name: "Home", key: "h", group: "Fleet" },
  { path: "/nodes", name: "Nodes", key: "n", group: "Fleet" },
  { path: "/topology", name: "Topology", key: "t", group: "Fleet" },
  { path: "/models", name: "Models", key: "m", group: "Models" },
  { path: "/deployments", name: "Deployments", key: "d", group: "Models" },
  { path: "/explain", name: "Explain", key: "x", group: "Models" },
  { path: "/playground", name: "Playground", key: "p", group: "Models" },
  { path: "/traffic", name: "Traffic", key: "r", group: "Models" },
  { path: "/events", name: "Events", key: "e", group: "System" },
  { path: "/keys", name: "Keys and tokens", key: "k", group: "System" },
  { path: "/api-reference", name: "API", key: "a", group: "System" },
];

/** Which page a path belongs to: the one with the longest path that it begins with. */
export function pageOf(pathname: string): PageInfo | undefined {
  if (pathname === "/") return PAGES[0];
  return PAGES.find(({ path }) => path !== "/" && (pathname === path || pathname.startsWith(`${path}/`)));
}
