import { rolloutAction } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { Story } from "./story.ts";

interface Entry {
  /** How the line is written; a word in capitals stands for a group of the pattern. */
  readonly form: RegExp;
  readonly run: (story: Story, words: Readonly<Record<string, string | undefined>>) => Promise<void> | void;
}

/** Every line that a story may hold. */
const COMMANDS: readonly Entry[] = [
  { form: /^start (?<name>cp-\d)$/, run: (story, { name = "" }) => story.start(name) },
  { form: /^stop (?<name>cp-\d)$/, run: (story, { name = "" }) => story.stop(name) },
  { form: /^kill (?<name>cp-\d)$/, run: (story, { name = "" }) => story.kill(name) },
  { form: /^publish (?<model>\w+)$/, run: (story, { model = "" }) => story.publish(model) },
  {
    form: /^alias (?<model>\w+) (?<alias>\w+) (?<version>\d+)$/,
    run: (story, { model = "", alias = "", version }) => story.alias(model, alias, Number(version)),
  },
  {
    form: /^(?<kind>edge|cloud) node (?<name>\S+) joins at (?<at>cp-\d)(?: in zone (?<zone>\S+))?(?: with (?<memory>\d+) MiB)?$/,
    run: (story, { kind, name = "", at = "", zone = "pier", memory = "4096" }) =>
      story.join(name, at, { kind: kind === "cloud" ? "cloud" : "edge", zone, memMiB: Number(memory) }),
  },
  { form: /^(?<node>\S+) connects to (?<at>cp-\d)$/, run: (story, { node = "", at = "" }) => story.connect(node, at) },
  {
    form: /^(?<node>\S+) has (?<free>\d+) MiB of disk free$/,
    run: (story, { node = "", free }) => story.node(node).reportDisk(Number(free)),
  },
  { form: /^(?<node>\S+) disconnects$/, run: (story, { node = "" }) => story.node(node).disconnect() },
  { form: /^(?<node>\S+) falls silent$/, run: (story, { node = "" }) => story.node(node).fallSilent() },
  {
    form: /^(?<node>\S+) reports (?<version>\w+:\d+) (?<state>[a-z]+)(?: (?<code>[A-Z_]+))?$/,
    run: (story, { node = "", version = "", state = "", code }) => story.node(node).report(version, state, code),
  },
  {
    form: /^deploy (?<model>\w+):(?<version>\w+)(?: edge (?<edge>\d+))?(?: cloud (?<cloud>\d+))?(?<every> on every edge node)?(?: within (?<limit>\d+) MiB)?(?: by (?<strategy>\S+) rollouts that bake (?<bake>\d+) s)?$/,
    run: (story, { model = "", version = "", edge = "0", cloud = "0", every, limit, strategy, bake }) =>
      story.deploy({
        name: model,
        model,
        version: /^\d+$/.test(version) ? Number(version) : version,
        placement: {
          edge: { min: Number(edge), every: every !== undefined },
          cloud: { min: Number(cloud) },
        },
        ...(limit !== undefined && { limits: { memMiB: Number(limit) } }),
        ...(strategy !== undefined && { rollout: { strategy, bakeSeconds: Number(bake) } }),
      }),
  },
  { form: /^retry (?<name>\w+)$/, run: (story, { name = "" }) => story.retry(name) },
  {
    form: /^(?<action>pause|resume|approve|promote|abort|undo) the rollout of (?<name>\w+)$/,
    run: (story, { action, name = "" }) => story.actOnRollout(name, rolloutAction.parse(action)),
  },
  { form: /^rollout of (?<name>\w+)$/, run: (story, { name = "" }) => story.rollout(name) },
  { form: /^undeploy (?<name>\w+)$/, run: (story, { name = "" }) => story.undeploy(name) },
  { form: /^revoke (?<node>\S+)$/, run: (story, { node = "" }) => story.revoke(node) },
  { form: /^cordon (?<node>\S+)$/, run: (story, { node = "" }) => story.administer("cordon", node) },
  { form: /^uncordon (?<node>\S+)$/, run: (story, { node = "" }) => story.administer("uncordon", node) },
  { form: /^drain (?<node>\S+)$/, run: (story, { node = "" }) => story.administer("drain", node) },
  { form: /^status (?<name>\w+)$/, run: (story, { name = "" }) => story.status(name) },
  { form: /^wait (?<seconds>\d+) s$/, run: (story, { seconds }) => story.wait(Number(seconds)) },
];

/** Does what `line` says. Throws for a line that is no command. */
export async function execute(story: Story, line: string): Promise<void> {
  for (const { form, run } of COMMANDS) {
    const words = form.exec(line)?.groups;
    if (words) return run(story, words);
  }
  throw new Error(`no command of a story: ${line}`);
}
