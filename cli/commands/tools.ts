import { Argument, type Command } from "commander";
import { NAME_KINDS, type NameKind } from "../completion/places.ts";
import { withExamples } from "../examples.ts";
import type { CommandRunner } from "../shell.ts";

/** `skerry completion`, `skerry version`. */
export function registerTools(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("completion")
      .description(
        "print a script that completes commands, options and the names of nodes, models, deployments, pools and contexts",
      )
      .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh", "fish"]))
      .action((name: "bash" | "zsh" | "fish", _options: object, command: Command) =>
        shell.run(command, async (run) => {
          const { completionScript } = await import("../completion/script.ts");
          run.output.data(completionScript(program, name));
        }),
      ),
    "source <(skerry completion bash)",
    "source <(skerry completion zsh)",
    "skerry completion fish | source",
  );
  // For the script that `completion` prints.
  program
    .command("complete", { hidden: true })
    .addArgument(new Argument("<kind>").choices(NAME_KINDS))
    .action((kind: NameKind, _options: object, command: Command) =>
      shell.run(command, async (run) => {
        const { namesFor } = await import("../completion/names.ts");
        for (const name of await namesFor(run, kind)) run.output.data(name);
      }),
    );
  withExamples(
    program
      .command("version")
      .description("the version of this tool and of the server")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await import("../actions/version.ts")).showVersion(run)),
      ),
    "skerry version",
  );
  // For developers of commands, not for their users.
  program.command("docs", { hidden: true }).action((_options: object, command: Command) =>
    shell.run(command, async (run) => {
      const { renderDocs } = await import("../docs/render-docs.ts");
      run.processEnv.streams.out.write(renderDocs(program));
    }),
  );
}
