import type { Command } from "commander";
import { withExamples } from "../../examples.ts";
import { collected } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";

const FILE_HELP = "YAML or JSON, one document or many; `-` for stdin; again for more files";

/** `skerry apply`, `skerry plan`. */
export function registerSpecs(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("apply")
      .description("declare deployments: what should serve, and where it may; and pools of cloud nodes")
      .requiredOption("-f, --file <file>", FILE_HELP, collected)
      .action((options: { file: readonly string[] }, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/deployments/apply.ts")).apply(run, options.file),
        ),
      ),
    "skerry apply -f digits.yaml --wait",
    "cat digits.yaml | skerry apply -f -",
  );
  withExamples(
    program
      .command("plan")
      .description("show what `apply` would place and move, and change nothing; exit code 3 when there are changes")
      .requiredOption("-f, --file <file>", FILE_HELP, collected)
      .action((options: { file: readonly string[] }, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/deployments/plan.ts")).plan(run, options.file)),
      ),
    "skerry plan -f digits.yaml",
    "skerry plan -f digits.yaml -f faces.yaml -o json",
  );
}
