import { constants, setPriority } from "node:os";
import path from "node:path";
import { z } from "zod";
import { findConfinement } from "./adapters/host-process/confinement/confinement.ts";
import { DEFAULT_HOST_UID, openWay } from "./adapters/host-process/confinement/host-user.ts";
import { runTrial } from "./adapters/host-process/trial-process.ts";

/**
 * Runs a comparison of variants confined as a model host, for a control plane, which starts it by its path. On stdin one line with
 * the request, and then nothing: when stdin ends, because it took too long or the control plane is gone, the model's process is
 * killed. On stdout one line: how it ended, and which measures are not active on this machine.
 */
const request = z.strictObject({
  /** Of the control plane's files: from here down to `folder`, which holds those of the bundle, the model's user may pass. */
  dataDir: z.string(),
  folder: z.string(),
  memMiB: z.number(),
  task: z.record(z.string(), z.unknown()),
});

/** Not the user of a node's hosts, which may be on the same machine. */
const TRIAL_UID = DEFAULT_HOST_UID + 1;

const stopped = new AbortController();
const { dataDir, folder, memMiB, task } = request.parse(JSON.parse(await firstLine()));
try {
  // Routing goes first. Where a sandbox forbids it, this runs beside it.
  setPriority(constants.priority.PRIORITY_LOW);
} catch {}
if (process.getuid?.() === 0) await openWay({ uid: TRIAL_UID, gid: TRIAL_UID }, { top: dataDir, folder });
const confinement = await findConfinement({ hostUid: TRIAL_UID, below: path.dirname(folder) });
const outcome = await runTrial(task, { folder, memMiB, confinement, signal: stopped.signal });
const inactive = confinement.measures.filter(({ isActive }) => !isActive).map(({ what, how }) => `${what}: ${how}`);
process.stdout.write(`${JSON.stringify({ ...outcome, inactive })}\n`, () => process.exit(0));

/** Resolves with what comes before the first end of a line; what follows is waited for. */
function firstLine(): Promise<string> {
  let said = "";
  return new Promise((resolve) => {
    process.stdin.setEncoding("utf8");
    process.stdin.on("data", (piece: string) => {
      said += piece;
      const end = said.indexOf("\n");
      if (end >= 0) resolve(said.slice(0, end));
    });
    process.stdin.once("end", () => stopped.abort());
    process.stdin.once("error", () => stopped.abort());
  });
}
