import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";

const ROOT = path.join(import.meta.dirname, "..");
const page = readFileSync(path.join(ROOT, "ARCHITECTURE.md"), "utf8");

const inside = (file: string): string => path.posix.relative(ROOT, file);

/** The top folder that a file belongs to: `shared/base`, `control-plane/core`, `cli`; the side alone for its main files. */
function folderOf(file: string): string {
  const parts = inside(file).split("/");
  if (parts[0] === "cli" || parts[0] === "prisma") return parts[0];
  return parts.slice(0, Math.min(2, parts.length - 1)).join("/");
}

/** Which top folders each top folder imports from, itself left out. */
function importGraph(): ReadonlyMap<string, ReadonlySet<string>> {
  const graph = new Map<string, Set<string>>();
  for (const name of globSync("{shared,control-plane,edge-node,cli}/**/*.ts", { cwd: ROOT }).toSorted()) {
    const file = path.join(ROOT, name);
    const from = folderOf(file);
    const to = graph.get(from) ?? new Set();
    graph.set(from, to);
    for (const [, target = ""] of readFileSync(file, "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const folder = folderOf(path.resolve(path.dirname(file), target));
      if (folder !== from) to.add(folder);
    }
  }
  return graph;
}

const rowsOf = (graph: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] =>
  [...graph]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([from, to]) =>
        `| \`${from}\` | ${
          [...to]
            .toSorted()
            .map((each) => `\`${each}\``)
            .join(", ") || "–"
        } |`,
    );

/** Subfolders of a folder that hold TypeScript, at any depth: `fleet`, `fleet/changes`. */
const subfoldersOf = (parent: string): readonly string[] =>
  [
    ...new Set(
      globSync("*/**/*.ts", { cwd: path.join(ROOT, parent) }).flatMap((file) =>
        path
          .dirname(file)
          .split("/")
          .map((_, depth, all) => all.slice(0, depth + 1).join("/")),
      ),
    ),
  ].toSorted();

/** Those that a cell of the page names: `` `fleet` (`changes`), `onnx` (`a`, `a/b`) ``; of files it names whole paths. */
const subfoldersNamedIn = (cell: string): readonly string[] =>
  [...cell.matchAll(/(?:^|, )`([\w-]+)`(?: \(([^)]+)\))?/g)]
    .flatMap(([, name = "", inner = ""]) => [
      name,
      ...[...inner.matchAll(/`([\w/-]+)`/g)].map(([, each = ""]) => `${name}/${each}`),
    ])
    .toSorted();

describe("ARCHITECTURE.md", () => {
  it("has the import graph of the top folders", () => {
    const section = page.split("\n## Import graph\n")[1]?.split("\n## ")[0] ?? "";
    const rows = section.split("\n").filter((line) => line.startsWith("| `"));
    expect(rows).toEqual(rowsOf(importGraph()));
  });

  it("lists the subfolders of the control plane and of the node", () => {
    const section = page.split("\nSubfolders of the control plane and of the node:\n")[1]?.split("\n## ")[0] ?? "";
    const rows = [...section.matchAll(/^\| `([\w./-]+)\/` \| (.+) \|$/gm)];
    expect(rows.length).toBeGreaterThan(5);
    for (const [, parent = "", cell = ""] of rows)
      expect([parent, ...subfoldersNamedIn(cell)]).toEqual([parent, ...subfoldersOf(parent)]);
  });

  it("names only files and folders that exist", () => {
    const named = [...page.matchAll(/`((?:shared|control-plane|edge-node|cli|prisma|test|docs)\/[\w./-]+)`/g)];
    const missing = named.map(([, name = ""]) => name).filter((name) => !existsSync(path.join(ROOT, name)));
    expect(named.length).toBeGreaterThan(50);
    expect(missing).toEqual([]);
  });
});
