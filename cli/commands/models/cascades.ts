import type { Command } from "commander";
import type { CalibrateOptions } from "../../actions/deployments/calibrate.ts";
import { withExamples } from "../../examples.ts";
import type { CommandRunner } from "../../shell.ts";

/** `skerry cascade …`. */
export function registerCascades(program: Command, shell: CommandRunner): void {
  const cascade = program.command("cascade").description("small models with a larger one behind them");
  withExamples(
    cascade
      .command("calibrate")
      .description(
        "the threshold that asks the large model least and keeps to its accuracy, by labelled data; changes nothing",
      )
      .argument("<deployment>", "name of the small model's deployment, which has a cascade")
      .requiredOption("--data <file>", "an .npz file: the model's inputs by their names, and the labels")
      .option("--labels <name>", "the array of the labels: places among the scores, or classes", "labels")
      .option("--measure <measure>", "margin, confidence, entropy or energy", "confidence")
      .option("--tolerance <share>", "how much less accurate than the large model the cascade may be", "0.005")
      .action((name: string, options: CalibrateOptions, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/deployments/calibrate.ts")).calibrate(run, name, options),
        ),
      ),
    "skerry cascade calibrate digits-small --data digits.npz",
    "skerry cascade calibrate digits-small --data digits.npz --measure margin --tolerance 0.01 -o json",
  );
}
