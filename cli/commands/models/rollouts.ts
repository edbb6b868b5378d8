import type { Command } from "commander";
import type { RolloutAction } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { withExamples } from "../../examples.ts";
import { watchOption } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";

const actions = () => import("../../actions/deployments/rollouts.ts");

const DESCRIPTIONS: Readonly<Record<RolloutAction, string>> = {
  pause: "let a rollout stay as it is until it is resumed",
  resume: "let a paused rollout go on, or try a version again from which one has returned",
  approve: "approve what a rollout waits for: that it begins, or that its new version takes over",
  promote: "end a rollout with its new version, without the rest of its waves",
  abort: "end a rollout with its old version",
  undo: "return to the version before, of a rollout that is under way or was promoted",
};

/** `skerry rollout …`. */
export function registerRollouts(program: Command, shell: CommandRunner): void {
  const rollout = program.command("rollout").description("how a deployment goes from one version to another");
  withExamples(
    rollout
      .command("status")
      .description("the newest rollout: phase, waves, nodes; with -w until it has ended, exit code 2 unless promoted")
      .argument("<deployment>", "name of the deployment")
      .addOption(watchOption())
      .action((name: string, options: { watch?: boolean }, command: Command) =>
        shell.run(command, async (run) => (await actions()).rolloutStatus(run, name, options)),
      ),
    "skerry rollout status digits",
    "skerry rollout status digits -w",
  );
  for (const [action, description] of Object.entries(DESCRIPTIONS))
    withExamples(
      rollout
        .command(action)
        .description(description)
        .argument("<deployment>", "name of the deployment")
        .option("--why <text>", "why it is done, for the history, the event and the audit log")
        .action((name: string, options: { why?: string }, command: Command) =>
          shell.run(command, async (run) => (await actions()).actOnRollout(run, { name, action, ...options })),
        ),
      `skerry rollout ${action} digits${action === "pause" || action === "approve" ? "" : " --wait"}`,
      ...(action === "approve" ? ['skerry rollout approve digits --why "the night shift is informed"'] : []),
    );
  withExamples(
    rollout
      .command("history")
      .description("the rollouts of a deployment: from where to where, by whom, and how each ended")
      .argument("<deployment>", "name of the deployment")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).rolloutHistory(run, name)),
      ),
    "skerry rollout history digits",
  );
}
