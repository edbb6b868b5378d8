import type { NodePlacement, NodeStatus } from "../../../shared/api/v1/nodes/node-status.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import { LiveLines } from "../../output/live-lines.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import { count, formatProgress } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { waitUntil } from "../../wait/wait-until.ts";
import { linkSentence, type NodeAddress, nodeApi, readStatus } from "./node-address.ts";

/** So many looks in a row have to find nothing left to do: a node learns what it should have a moment after it has connected. */
const LOOKS = 2;

const serving = ({ placements }: NodeStatus): readonly NodePlacement[] => placements.filter(({ serves }) => serves);

/** What is left to do, a sentence each. */
function leftOf(status: NodeStatus): readonly string[] {
  const { link } = status;
  const models = serving(status).filter(({ state }) => state !== "ready");
  return [
    ...(link.state === "connected" ? [] : [linkSentence(link)]),
    ...models.map(({ model, version, state, progress, detail }) => {
      const how = progress === null || progress.total === 0 ? "" : ` ${formatProgress(progress)}`;
      return `${model}:${version} is ${state}${how}${detail === null ? "" : `: ${detail}`}`;
    }),
  ];
}

/**
 * `skerry edge sync`: waits until a node is connected and every model that it is to serve is ready there. The node does all of it
 * by itself. Exit code 2: not in time, or an operator has removed the node, which time does not change.
 */
export async function edgeSync(run: CommandContext, address: NodeAddress): Promise<void> {
  const api = await nodeApi(run, address);
  const lines = new LiveLines(run.output);
  let last = await readStatus(api);
  let looks = 0;
  try {
    await waitUntil(run, async () => {
      last = await readStatus(api);
      const left = leftOf(last.status);
      lines.show(new Map(left.map((text, index) => [`${index}`, `  ${text}`])));
      if (last.status.link.state === "removed")
        throw unmet(last.status, "is no node of a control plane any more", left);
      looks = left.length === 0 ? looks + 1 : 0;
      return looks >= LOOKS;
    });
  } catch (error) {
    if (Error.isError(error) && error.name === "WaitTimeout")
      throw unmet(
        last.status,
        `is not up to date after ${Math.round(run.waitTimeoutMs / 1_000)} s`,
        leftOf(last.status),
      );
    throw error;
  } finally {
    lines.end({ keep: false });
  }
  const { format } = run.globals;
  if (isMachineFormat(format)) await printRaw(run.output, format, last.raw);
  else if (format === "name") run.output.data(last.status.name);
  const ready = serving(last.status).length;
  run.output.say(
    `${last.status.name} is up to date: connected, ${ready === 0 ? "with no model to serve" : `${count(ready, "model")} ready`}.`,
  );
}

function unmet({ name, link }: NodeStatus, what: string, why: readonly string[]): CliFailure {
  const fix =
    link.state === "removed"
      ? "join it again with `skerry join`"
      : "look at `skerry edge logs`, or allow more time with `--timeout`";
  return new CliFailure(EXIT.unmet, { what: `${name} ${what}`, why: [...why], fix });
}
