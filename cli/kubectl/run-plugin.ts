import { main } from "../entry.ts";
import type { ExitCode } from "../exit-codes.ts";
import { noPaint } from "../output/paint.ts";
import { renderFailure } from "../render-failure.ts";
import { type Forward, forwardControlPlane, keyInCluster } from "./forward.ts";
import { parsePluginArguments } from "./plugin-arguments.ts";

/** Commands that speak to no server. */
const ALONE = new Set(["help", "completion", "complete", "docs", "context"]);

/**
 * `kubectl skerry …`: what `skerry …` does, with the control plane of the cluster that kubectl speaks to. A server that
 * is named, or the key in SKERRY_API_KEY, goes first.
 */
export async function runPlugin(args: readonly string[]): Promise<ExitCode> {
  const { env } = process;
  let forward: Forward | undefined;
  try {
    const plugin = parsePluginArguments(args, env);
    const [command] = plugin.rest;
    const isAlone = command === undefined || ALONE.has(command) || plugin.rest.includes("--help");
    if (plugin.namesServer || isAlone) return await main(plugin.rest);
    forward = await forwardControlPlane(plugin);
    const key = env["SKERRY_API_KEY"] ?? (await keyInCluster(plugin));
    const reached = { ...env, SKERRY_SERVER: forward.server };
    return await main(plugin.rest, key === undefined ? reached : { ...reached, SKERRY_API_KEY: key });
  } catch (error) {
    const { lines, exitCode } = renderFailure(error, noPaint, { debug: false });
    for (const line of lines) process.stderr.write(`${line}\n`);
    return exitCode;
  } finally {
    forward?.stop();
  }
}
