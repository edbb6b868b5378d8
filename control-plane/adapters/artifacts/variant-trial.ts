import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, link, mkdir, rm, writeFile } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { SAMPLES_FILE } from "../../../shared/protocol/bundle.ts";
import type { CheckResult } from "../../model-inspector/messages.ts";
import type { UploadedBundle } from "../../ports/artifacts.ts";
import { converse } from "./child-output.ts";

/** By path, not by import: the control plane loads no runtime of models. */
const PROGRAM = fileURLToPath(new URL("../../../edge-node/model-host/variant-trial.ts", import.meta.url));
const SHELL = "/bin/sh";

/** Samples that are asked: more would only take longer. */
const MAX_ROWS = 512;
const DEADLINE_MS = 5 * 60_000;
const MIB = 1_048_576;
/** Node.js and ONNX Runtime, with the stacks of their threads. */
const BASE_MIB = 1_024;
/** Of the files: as they are loaded, and what the optimiser and the activations add. */
const COPIES = 3;

const figures = z.object({
  name: z.string(),
  samples: z.number().int().min(1),
  agreement: z.number().nullable(),
  maxDifference: z.number().nullable(),
});
export type TrialFigures = z.infer<typeof figures>;
const outcome = z.union([z.object({ figures: z.array(figures) }), z.object({ fault: z.string() })]);

type Checked = Extract<CheckResult, { kind: "accepted" }>["checked"];

/**
 * Runs a graph and its variants on the samples of their bundle, in a process with a memory limit and a deadline that ends in
 * SIGKILL. A sentence instead of figures when one of them cannot be run. Throws when the process broke down, and the signal's
 * reason when it was aborted.
 */
export async function tryVariants(
  bundle: UploadedBundle,
  { manifest, variants, edited }: Checked,
  { clock, signal, deadlineMs = DEADLINE_MS }: { clock: Clock; signal: AbortSignal | undefined; deadlineMs?: number },
): Promise<readonly TrialFigures[] | string> {
  const [first] = bundle.files;
  if (first === undefined) return [];
  // Beside the uploads, whose names are no paths of the bundle: a link costs nothing on the same disk. A check that was
  // interrupted is repeated and clears it away.
  const folder = `${first.path}.trial`;
  await rm(folder, { recursive: true, force: true });
  try {
    for (const { name, path } of bundle.files) {
      const target = join(folder, name);
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      const source = name === edited?.path ? bundle.editedPath : path;
      await link(source, target).catch(() => copyFile(source, target));
    }
    const task = {
      reference: join(folder, bundle.main),
      defaults: manifest.defaults ?? [],
      variants: (variants?.all ?? []).map((each) => ({
        name: each.name,
        file: join(folder, each.manifest.main ?? ""),
      })),
      samples: join(folder, SAMPLES_FILE),
      maxRows: MAX_ROWS,
    };
    const limitMiB = BASE_MIB + (COPIES * bundle.files.reduce((sum, { bytes }) => sum + bytes, 0)) / MIB;
    return await run(task, { folder, limitMiB, clock, signal, deadlineMs });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(
  task: object,
  {
    folder,
    limitMiB,
    clock,
    signal,
    deadlineMs,
  }: { folder: string; limitMiB: number; clock: Clock; signal: AbortSignal | undefined; deadlineMs: number },
): Promise<readonly TrialFigures[] | string> {
  signal?.throwIfAborted();
  const command = [
    process.execPath,
    "--max-old-space-size=512",
    "--disable-proto=delete",
    PROGRAM,
    JSON.stringify(task),
  ];
  const options = { cwd: folder, env: {} };
  const limited = `ulimit -c 0; ulimit -d ${Math.ceil(limitMiB) * 1_024}; exec "$@"`;
  const words = existsSync(SHELL) ? [SHELL, "-c", limited, "trial", ...command] : command;
  const child = spawn(words[0] ?? SHELL, words.slice(1), options);
  await giveWay(child.pid);
  let isLate = false;
  const cancelDeadline = clock.after(deadlineMs, () => {
    isLate = true;
    child.kill("SIGKILL");
  });
  const onAbort = (): boolean => child.kill("SIGKILL");
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const ended = await converse(child, "");
    signal?.throwIfAborted();
    if (isLate)
      return `its variants were compared for longer than ${Math.round(deadlineMs / 1_000)} s, and that was stopped: put fewer samples into ${SAMPLES_FILE}`;
    if (!ended.succeeded)
      throw new SkerryError(
        "INTERNAL",
        `the comparison of variants ended with ${ended.how}, within ${Math.ceil(limitMiB)} MiB: ${ended.complaint.trim().split("\n").at(-1) ?? ""}`,
      );
    const found = outcome.parse(JSON.parse(ended.output));
    return "fault" in found ? found.fault : found.figures;
  } finally {
    cancelDeadline();
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Routing goes first, and where memory is short this process is the one to end. Where a sandbox forbids it, it runs beside it. */
async function giveWay(pid: number | undefined): Promise<void> {
  if (pid === undefined) return;
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended, or may not be changed.
  }
  await writeFile(`/proc/${pid}/oom_score_adj`, "1000").catch(() => undefined);
}
