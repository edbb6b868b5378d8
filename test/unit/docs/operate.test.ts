import { describe, expect, it } from "@jest/globals";
import { readFileSync } from "node:fs";
import path from "node:path";
import { SETTINGS } from "../../../control-plane/settings/settings.ts";

const page = readFileSync(path.join(import.meta.dirname, "../../../docs/operate.md"), "utf8");

describe("docs/operate.md", () => {
  it("has a row for every setting of the control plane, with the sentence of the program", () => {
    const rows = page.split("\n").filter((line) => /^\| `[A-Z_\d]+`/.test(line));
    expect(rows).toEqual([...SETTINGS].map(([name, sentence]) => `| \`${name}\` | ${sentence} |`));
  });
});
