import { type Command, Option } from "commander";
import { nodeState } from "../../../shared/api/v1/nodes/nodes.ts";
import { withExamples } from "../../examples.ts";
import { collectPair, watchOption, wholeNumber, wholeSeconds } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";
import type { TopOptions } from "../../actions/top.ts";
import type { LogOptions } from "../../actions/nodes/logs.ts";
import type { DrainOptions } from "../../actions/nodes/node-changes.ts";
import type { NodeListOptions } from "../../actions/nodes/nodes.ts";
import type { TokenOptions } from "../../actions/nodes/tokens.ts";

const actions = () => import("../../actions/nodes/nodes.ts");
const changes = () => import("../../actions/nodes/node-changes.ts");

/** `skerry nodes …` and `skerry token …`. */
export function registerNodes(program: Command, shell: CommandRunner): void {
  const nodes = program.command("nodes").description("what runs models: edge devices and cloud pods");
  withExamples(
    nodes
      .command("ls")
      .description("list nodes, how they are and what they hold")
      .option("-l, --selector <labels>", "only nodes with these labels, e.g. gpu=true,site=harbour")
      .addOption(new Option("--state <state>", "only nodes in this state").choices(nodeState.options))
      .option("--limit <count>", "one page of this size instead of everything", wholeNumber(1))
      .addOption(watchOption())
      .action((options: NodeListOptions, command: Command) =>
        shell.run(command, async (run) => (await actions()).listNodes(run, options)),
      ),
    "skerry nodes ls -o wide",
    "skerry nodes ls -w",
    "skerry nodes ls -l site=harbour -o name",
    "skerry nodes ls --state waiting",
  );
  withExamples(
    nodes
      .command("get")
      .description("one node, as a row")
      .argument("<node>", "name of the node")
      .addOption(watchOption())
      .action((name: string, options: { watch?: boolean }, command: Command) =>
        shell.run(command, async (run) => (await actions()).getNode(run, name, options)),
      ),
    "skerry nodes get edge-a -o json",
    "skerry nodes get edge-a -w",
  );
  withExamples(
    nodes
      .command("describe")
      .description("everything known of one node, with its last events")
      .argument("<node>", "name of the node")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).describeNode(run, name)),
      ),
    "skerry nodes describe edge-a",
  );
  withExamples(
    nodes
      .command("approve")
      .description("let a node connect that joined with a token that needs an approval")
      .argument("<node>", "name of the node")
      .option("--key <key>", "only if this is its key, as the node itself shows it")
      .action((name: string, options: { key?: string }, command: Command) =>
        shell.run(command, async (run) => (await changes()).approveNode(run, name, options)),
      ),
    "skerry nodes approve dock-7",
  );
  withExamples(
    nodes
      .command("reject")
      .description("reject a node that waits for an approval: its identity is void")
      .argument("<node>", "name of the node")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await changes()).rejectNode(run, name)),
      ),
    "skerry nodes reject dock-7",
  );
  withExamples(
    nodes
      .command("cordon")
      .description("place nothing new on a node; what runs there goes on")
      .argument("<node>", "name of the node")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await changes()).cordonNode(run, name)),
      ),
    "skerry nodes cordon edge-a",
  );
  withExamples(
    nodes
      .command("uncordon")
      .description("let a cordoned or drained node take models again")
      .argument("<node>", "name of the node")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await changes()).uncordonNode(run, name)),
      ),
    "skerry nodes uncordon edge-a",
  );
  withExamples(
    nodes
      .command("drain")
      .description("move everything off a node; with --wait until it is empty")
      .argument("<node>", "name of the node")
      .option(
        "--deadline <time>",
        "when it is to be empty, at most 7d from now: 600 (seconds), 10m, 2h; the control plane keeps the time",
        wholeSeconds(1),
      )
      .option("--force", "at the deadline remove what is left, also where nothing takes its place")
      .action((name: string, options: DrainOptions, command: Command) =>
        shell.run(command, async (run) => (await changes()).drainNode(run, name, options)),
      ),
    "skerry nodes drain edge-a --wait",
    "skerry nodes drain edge-a --deadline 10m --force",
  );
  withExamples(
    nodes
      .command("label")
      .description("set labels of a node with NAME=VALUE, remove them with NAME-")
      .argument("<node>", "name of the node")
      .argument("<labels...>", "e.g. floor=2 pilot-")
      .action((node: string, labels: string[], _options: object, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/labels.ts")).changeLabels(run, { kind: "nodes", name: node }, labels),
        ),
      ),
    "skerry nodes label edge-a floor=2 pilot-",
  );
  withExamples(
    nodes
      .command("rename")
      .description("give a node another name; its key, its models and its history stay")
      .argument("<node>", "name of the node")
      .argument("<name>", "the new name")
      .action((node: string, name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await changes()).renameNode(run, node, name)),
      ),
    "skerry nodes rename edge-a quay-1",
  );
  withExamples(
    nodes
      .command("set")
      .description("say where a node is: its site and its zone; what is not given stays as it is")
      .argument("<node>", "name of the node")
      .option("--site <site>", "its site: requests of callers at the same site come here first")
      .option("--zone <zone>", "what fails together with it: replicas are spread over zones")
      .action((node: string, place: { site?: string; zone?: string }, command: Command) =>
        shell.run(command, async (run) => (await changes()).setPlace(run, node, place)),
      ),
    "skerry nodes set edge-a --site island --zone pier-2",
  );
  withExamples(
    nodes
      .command("rm")
      .description("revoke a node: its identity is void and its models move elsewhere")
      .argument("<node>", "name of the node")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await changes()).removeNode(run, name)),
      ),
    "skerry nodes rm edge-a",
  );
  withExamples(
    nodes
      .command("top")
      .description("load, rate and latency of each node in the last minute; `skerry top` has deployments too")
      .option("--once", "print once, also on a terminal")
      .option("--limit <count>", "rows of the table", wholeNumber(1), 20)
      .action((options: TopOptions, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/top.ts")).showTop(run, "nodes", options)),
      ),
    "skerry nodes top",
  );
  withExamples(
    nodes
      .command("pools")
      .description("list the pools of cloud nodes, which are scaled with demand")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/nodes/pools.ts")).listPools(run)),
      ),
    "skerry nodes pools -o wide",
  );
  withExamples(
    program
      .command("logs")
      .description(
        "what a node reported, with what the control plane saw of it: crashes, restarts, refusals, lost links",
      )
      .argument("<node>", "name of the node")
      .option("-f, --follow", "go on and print lines as they come")
      .option("--warnings", "only warnings")
      .option("--limit <count>", "how many of the newest", wholeNumber(1), 100)
      .action((name: string, options: LogOptions, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/nodes/logs.ts")).showLogs(run, name, options)),
      ),
    "skerry logs edge-a",
    "skerry logs edge-a -f --warnings",
  );
  registerTokens(program, shell);
}

function registerTokens(program: Command, shell: CommandRunner): void {
  const token = program.command("token").description("join tokens: each lets one node join, or as many as it says");
  withExamples(
    token
      .command("create")
      .description("make a join token")
      .option("--print-join", "print the one line to paste on the device, nothing else")
      .option("--kind <kind>", "edge or cloud", "edge")
      .option("--site <site>", "the site of the node", "default")
      .option("--zone <zone>", "what fails together with it; the site by default")
      .option("--name <name>", "the node's name; otherwise the node proposes one")
      .option("--label <name=value>", "a label of the node; may be repeated", collectPair)
      .option("--ttl <time>", "how long the token is good for, at most 7d: 600 (seconds), 10m, 2h", wholeSeconds(30))
      .option("--uses <count>", "how many nodes may join with it (default: 1)", wholeNumber(1))
      .option("--replaces <node>", "for the machine that takes the place of this node, whose key is void then (admin)")
      .option("--why <text>", "the reason of a replacement, for the audit log")
      .option("--needs-approval", "a node that joins with it waits until `skerry nodes approve`")
      .action((options: TokenOptions, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/nodes/tokens.ts")).createToken(run, options)),
      ),
    "skerry token create --print-join --site harbour --name edge-c",
    "skerry token create --needs-approval --uses 20 --ttl 1d",
    'skerry token create --print-join --replaces dock-7 --why "its disk is broken"',
  );
  withExamples(
    token
      .command("ls")
      .description("list join tokens and who used them")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/nodes/tokens.ts")).listTokens(run)),
      ),
    "skerry token ls",
  );
  withExamples(
    token
      .command("rm")
      .description("void a join token")
      .argument("<id>", "id of the token, as `token ls` shows it")
      .action((id: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/nodes/tokens.ts")).removeToken(run, id)),
      ),
    "skerry token rm 4k2v9x0qhm",
  );
}
