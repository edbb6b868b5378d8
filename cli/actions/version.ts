import { serverMetadata } from "../../shared/api/v1/inference.ts";
import { messageOf } from "../../shared/base/errors.ts";
import { VERSION } from "../../shared/base/version.ts";
import { isMachineFormat, printRaw } from "../output/format.ts";
import type { CommandContext } from "../run.ts";

/** Both versions. A server that does not answer is no failure: the tool's own version is what may be needed then. */
export async function showVersion(run: CommandContext): Promise<void> {
  const target = await run.target();
  const answer = await run
    .apiFor(target)
    .get("/v2")
    .then(({ body }) => serverMetadata.safeParse(body).data ?? null)
    .catch((error: unknown) => {
      run.signal.throwIfAborted();
      run.output.say(`${target.server}: ${messageOf(error)}`);
      return null;
    });
  const versions = {
    client: VERSION,
    node: process.version,
    server: answer?.version ?? null,
    address: target.server,
  };
  if (isMachineFormat(run.globals.format)) return printRaw(run.output, run.globals.format, versions);
  run.output.data(`skerry ${versions.client} (Node ${versions.node})`);
  if (answer !== null) run.output.data(`server ${versions.server} at ${versions.address}`);
}
