import { moveAlias } from "../../models/push-version.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";

export async function moveModelAlias(
  run: CommandContext,
  move: { readonly model: string; readonly alias: string; readonly version: number },
): Promise<void> {
  const { moved, from, raw } = await moveAlias(await run.api(), move);
  if (isMachineFormat(run.globals.format)) await printRaw(run.output, run.globals.format, raw);
  const before = from === undefined ? "" : `, before ${move.model}:${from}`;
  run.output.say(
    moved
      ? `${move.alias} names ${move.model}:${move.version} now${before}.`
      : `${move.alias} names ${move.model}:${move.version} already: nothing was changed.`,
  );
  run.output.next(`models where ${move.model}:${move.alias}`);
}
