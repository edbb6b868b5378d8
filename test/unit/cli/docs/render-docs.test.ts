import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { Command } from "commander";
import { renderDocs } from "../../../../cli/docs/render-docs.ts";
import { examplesFor } from "../../../../cli/examples.ts";
import { EXIT } from "../../../../cli/exit-codes.ts";
import { buildProgram } from "../../../../cli/program.ts";
import type { CommandRunner } from "../../../../cli/shell.ts";

const silent = { write() {} };
const shell = { streams: { out: silent, err: silent } } as unknown as CommandRunner;
const program = await buildProgram(shell, "all");
const page = readFileSync(join(import.meta.dirname, "../../../../docs/cli.md"), "utf8");

function leaves(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

describe("docs/cli.md", () => {
  it("is what the commands say of themselves (npm run -s skerry -- docs > docs/cli.md)", () => {
    expect(page).toBe(renderDocs(program));
  });

  it("has an example for every command, and each example is understood", () => {
    for (const command of leaves(program).filter((one) => one.name() !== "docs" && one.name() !== "complete")) {
      const examples = examplesFor(command);
      expect([command.name(), examples.length]).not.toEqual([command.name(), 0]);
      for (const example of examples)
        expect(example).toContain(command.name() === "ls" && example === "skerry context" ? "context" : command.name());
    }
  });

  it("names every exit code", () => {
    for (const code of Object.values(EXIT)) expect(page).toContain(`| ${code} |`);
  });
});
