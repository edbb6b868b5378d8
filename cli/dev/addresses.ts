import { relative } from "node:path";
import { answersOk } from "../processes/answers.ts";
import type { CommandContext } from "../run.ts";
import type { DevSettings } from "./settings.ts";
import type { DevStack } from "./stack.ts";

/** Says what can be opened and asked now. Pages are named only when they answer. */
export async function printAddresses(run: CommandContext, settings: DevSettings, stack: DevStack): Promise<void> {
  const { server } = stack;
  const pages = [
    ["Console", `${server}/`],
    ["API reference", `${server}/docs/api`],
  ] as const;
  const lines: (readonly [string, string])[] = [];
  for (const [name, url] of pages) if (await answersOk(url, run.signal)) lines.push([name, url]);
  lines.push(["Inference", `${server}/v2/models/digits/infer`]);
  for (const { name, port } of settings.nodes) lines.push([name, `http://127.0.0.1:${port}/v2`]);
  const here = (path: string): string => relative(run.processEnv.cwd, path) || ".";
  lines.push(
    ["Admin key", `${here(stack.adminKeyFile)} (for you alone: mode 0600)`],
    ["Logs", here(`${settings.directory}/logs`)],
  );
  lines.push(["Try", "npm run -s skerry -- nodes ls"], ["", "npm run -s skerry -- explain digits"]);
  run.output.data(`\n${lines.map(([name, value]) => `  ${name.padEnd(14)} ${value}`).join("\n")}`);
}
