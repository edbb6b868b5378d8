import { type Command, Option } from "commander";
import { withExamples } from "../../examples.ts";
import type { ExplainOptions } from "../../actions/deployments/explain.ts";
import type { ListOptions } from "../../api/lists.ts";
import { collected, watchOption, wholeNumber } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";
import { WHAT_IF_HELP } from "../../spec/what-if.ts";

const actions = () => import("../../actions/deployments/deployments.ts");

/** `skerry deployments …`, `skerry explain`. */
export function registerDeployments(program: Command, shell: CommandRunner): void {
  const deployments = program.command("deployments").description("what is declared to serve, and its status");
  withExamples(
    deployments
      .command("ls")
      .description("list deployments")
      .option("-l, --selector <selector>", "only these, by name, model, version or residency")
      .option("--limit <count>", "one page of this size instead of everything", wholeNumber(1))
      .addOption(watchOption())
      .action((options: ListOptions, command: Command) =>
        shell.run(command, async (run) => (await actions()).listDeployments(run, options)),
      ),
    "skerry deployments ls -o wide",
    "skerry deployments ls -w",
  );
  withExamples(
    deployments
      .command("get")
      .description("one deployment: conditions, replicas, what could not be placed; with --wait until it is ready")
      .argument("<deployment>", "name of the deployment")
      .addOption(watchOption())
      .action((name: string, options: { watch?: boolean }, command: Command) =>
        shell.run(command, async (run) => (await actions()).getDeployment(run, name, options)),
      ),
    "skerry deployments get digits --wait --timeout 2m",
    "skerry deployments get digits -w",
  );
  withExamples(
    deployments
      .command("endpoints")
      .description("which nodes answer for a deployment on their own address, also while the control plane is away")
      .argument("<deployment>", "name of the deployment")
      .option("-l, --selector <selector>", "only these, by node, kind, site, version, state or reach")
      .action((name: string, options: { selector?: string }, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/deployments/endpoints.ts")).listEndpoints(run, name, options),
        ),
      ),
    "skerry deployments endpoints digits",
    "skerry deployments endpoints digits -l 'site=harbour,state=ready'",
  );
  withExamples(
    deployments
      .command("retry")
      .description("try the failed replicas of a deployment again at once; with --wait until it is ready")
      .argument("<deployment>", "name of the deployment")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/deployments/retry.ts")).retryDeployment(run, name),
        ),
      ),
    "skerry deployments retry digits --wait",
  );
  withExamples(
    deployments
      .command("rm")
      .description("take a deployment away; with --wait until its replicas are gone")
      .argument("<deployment>", "name of the deployment")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).removeDeployment(run, name)),
      ),
    "skerry deployments rm digits",
  );
  withExamples(
    program
      .command("explain")
      .description("why a deployment's replicas are where they are; with --what-if where they would be")
      .argument("<deployment>", "name of the deployment")
      .option("--why-not <node>", "why not on this node")
      .addOption(new Option("--all-nodes", "the verdict on every node of the fleet").conflicts("whyNot"))
      .addOption(new Option("--what-if <change>", WHAT_IF_HELP).argParser(collected).conflicts(["whyNot", "allNodes"]))
      .action((name: string, options: ExplainOptions & { whatIf?: readonly string[] }, command: Command) =>
        shell.run(command, async (run) =>
          options.whatIf === undefined
            ? (await import("../../actions/deployments/explain.ts")).explain(run, name, options)
            : (await import("../../actions/deployments/plan.ts")).explainWhatIf(run, name, options.whatIf),
        ),
      ),
    "skerry explain digits",
    "skerry explain digits --why-not edge-b",
    "skerry explain digits --all-nodes",
    "skerry explain digits --what-if cordon=edge-a --what-if add=edge-c,like=edge-b",
  );
}
