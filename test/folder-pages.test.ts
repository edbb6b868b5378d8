import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";

const ROOT = path.join(import.meta.dirname, "..");

/** The pages of folders that hold an idea. Their table of files names each with the folder as its root, or its program's. */
const pages = globSync("{shared,control-plane,edge-node}/**/README.md", { cwd: ROOT }).toSorted();

/** First cells of the tables: `| \`name.ts\`, \`other.ts\` | … |`. */
const CELL = /^\| ((?:`[\w./-]+`(?:, )?)+) \|/gm;

function missingFrom(page: string): readonly string[] {
  const folder = path.dirname(page);
  const [program = ""] = folder.split("/");
  return [...readFileSync(path.join(ROOT, page), "utf8").matchAll(CELL)]
    .flatMap(([, cell = ""]) => [...cell.matchAll(/`([\w./-]+(?:\.ts|\.proto|\/))`/g)].map(([, name = ""]) => name))
    .filter((name) => ![folder, program].some((at) => existsSync(path.join(ROOT, at, name))));
}

describe("the page of a folder", () => {
  it.each(pages)("%s names only files that exist", (page) => {
    expect(missingFrom(page)).toEqual([]);
  });
});
