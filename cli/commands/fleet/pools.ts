import type { Command } from "commander";
import type { PoolOptions } from "../../actions/nodes/pool-changes.ts";
import { withExamples } from "../../examples.ts";
import { wholeNumber } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";

const actions = () => import("../../actions/nodes/pools.ts");
const changes = () => import("../../actions/nodes/pool-changes.ts");

/** `skerry pools …`. */
export function registerPools(program: Command, shell: CommandRunner): void {
  const pools = program
    .command("pools")
    .description("Kubernetes Deployments of cloud nodes that are scaled with demand");
  withExamples(
    pools
      .command("ls")
      .description("list pools: pods that are wanted and ready, and what is in their way")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).listPools(run)),
      ),
    "skerry pools ls -o wide",
  );
  withExamples(
    pools
      .command("get")
      .description("one pool: its bounds, its pods, and what keeps each from running")
      .argument("<pool>", "name of the pool")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).getPool(run, name)),
      ),
    "skerry pools get gpu",
  );
  withExamples(
    pools
      .command("set")
      .description("declare a pool, or change it; what is not given stays as it is")
      .argument("<pool>", "name of the pool")
      .option("--deployment <namespace/name>", "the Kubernetes Deployment of nodes that is scaled")
      .option("--min <pods>", "pods that it has at least, without demand too", wholeNumber(0))
      .option("--max <pods>", "pods that it has at most", wholeNumber(0))
      .option("--site <site>", "the site of its nodes, whose pods are labelled skerry.dev/pool=POOL")
      .option("--priority <number>", "pools with more are filled first", Number)
      .action((name: string, options: PoolOptions, command: Command) =>
        shell.run(command, async (run) => (await changes()).setPool(run, name, options)),
      ),
    "skerry pools set gpu --deployment skerry/skerry-node-gpu --max 4",
    "skerry pools set gpu --min 1",
  );
  withExamples(
    pools
      .command("rm")
      .description("scale a pool no more; its pods stay")
      .argument("<pool>", "name of the pool")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await changes()).removePool(run, name)),
      ),
    "skerry pools rm gpu",
  );
}
