import { describe, expect, it } from "@jest/globals";
import { readFileSync } from "node:fs";
import path from "node:path";
import { SETTINGS } from "../../../edge-node/settings.ts";

const page = readFileSync(path.join(import.meta.dirname, "../../../docs/nodes.md"), "utf8");

describe("docs/nodes.md", () => {
  it("has a row for every setting, with the sentence that the program itself gives", () => {
    const rows = page.split("\n").filter((line) => line.startsWith("| `SKERRY_"));
    expect(rows).toEqual([...SETTINGS].map(([name, sentence]) => `| \`${name}\` | ${sentence} |`));
  });
});
