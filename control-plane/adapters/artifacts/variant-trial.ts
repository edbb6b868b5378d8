import { spawn } from "node:child_process";
import { copyFile, link, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { SAMPLES_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import type { CheckResult } from "../../model-inspector/messages.ts";
import type { UploadedBundle } from "../../ports/catalog/artifacts.ts";
import { converse } from "./child-output.ts";

/** By path, not by import: the control plane loads no runtime of models, and what confines one is the node's. */
const PROGRAM = fileURLToPath(new URL("../../../edge-node/confined-trial.ts", import.meta.url));

/** Samples that are asked: more would only take longer. */
const MAX_ROWS = 512;
const DEADLINE_MS = 5 * 60_000;
/** For the program to end the model's process, before it is ended itself. */
const STOP_MS = 5_000;
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
  fault: z.string().max(1_000).optional(),
});
export type TrialFigures = z.infer<typeof figures>;
const ended = { graph: z.string().optional(), reason: z.string() };
const inactive = z.array(z.string());
const outcome = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("figures"), figures: z.array(figures), inactive }),
  z.object({ kind: z.literal("fault"), fault: z.string(), inactive }),
  z.object({ kind: z.enum(["memory", "died", "stopped"]), ...ended, inactive }),
]);

type Checked = Extract<CheckResult, { kind: "accepted" }>["checked"];

export interface TrialSettings {
  /** The control plane's own folder, which holds the uploads. Default: that of the uploads. */
  readonly dataDir?: string;
  /** Ms until a comparison is stopped. */
  readonly deadlineMs?: number;
  /** Memory beside the files, in MiB. */
  readonly baseMiB?: number;
}

export interface Trial {
  /** The figures in the order of the variants, or why one of the graphs cannot be run, as a sentence. */
  readonly found: readonly TrialFigures[] | string;
  /** What could not be had on this machine of what confines a model, as sentences. */
  readonly inactive: readonly string[];
}

/**
 * Runs a graph and its variants on the samples of their bundle, in a process that is confined as a model host of a node, with a
 * memory limit and a deadline that ends in SIGKILL; a graph that meets either, or ends the process, is refused. Throws when no
 * graph was begun, and the signal's reason when it was aborted. No process is left when this is settled.
 */
export async function tryVariants(
  bundle: UploadedBundle,
  { manifest, variants, edited }: Checked,
  how: { clock: Clock; signal: AbortSignal | undefined } & TrialSettings,
): Promise<Trial> {
  const [first] = bundle.files;
  if (first === undefined) return { found: [], inactive: [] };
  // Beside the uploads, whose names are no paths of the bundle: a link costs nothing on the same disk. A check that was
  // interrupted is repeated and clears it away.
  const folder = resolve(`${first.path}.trial`);
  await rm(folder, { recursive: true, force: true });
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const { name, path } of bundle.files) {
      const target = join(folder, name);
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      const source = name === edited?.path ? bundle.editedPath : path;
      await link(source, target).catch(() => copyFile(source, target));
    }
    // Paths in that folder, which is where it runs.
    const task = {
      reference: bundle.main,
      defaults: manifest.defaults ?? [],
      variants: (variants?.all ?? []).map((each) => ({ name: each.name, file: each.manifest.main ?? "" })),
      samples: SAMPLES_FILE,
      maxRows: MAX_ROWS,
    };
    const bytes = bundle.files.reduce((sum, file) => sum + file.bytes, 0);
    const memMiB = Math.ceil((how.baseMiB ?? BASE_MIB) + (COPIES * bytes) / MIB);
    return await run({ dataDir: how.dataDir ?? dirname(folder), folder, memMiB, task }, how);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(
  request: { readonly dataDir: string; readonly folder: string; readonly memMiB: number; readonly task: object },
  { clock, signal, deadlineMs = DEADLINE_MS }: { clock: Clock; signal: AbortSignal | undefined } & TrialSettings,
): Promise<Trial> {
  signal?.throwIfAborted();
  const child = spawn(process.execPath, ["--disable-proto=delete", PROGRAM], {
    cwd: tmpdir(),
    env: {}, // no NODE_OPTIONS, no database password
    stdio: ["pipe", "pipe", "pipe"],
  });
  let cancelKill: (() => void) | undefined;
  const stop = (): void => {
    child.stdin.end();
    cancelKill ??= clock.after(STOP_MS, () => child.kill("SIGKILL"));
  };
  const cancelDeadline = clock.after(deadlineMs, stop);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const said = await converse(child, `${JSON.stringify(request)}\n`, { staysOpen: true });
    signal?.throwIfAborted();
    if (!said.succeeded)
      throw new SkerryError(
        "INTERNAL",
        `the comparison of variants ended with ${said.how}: ${said.complaint.trim().split("\n").at(-1) ?? ""}`,
      );
    const parsed = outcome.parse(JSON.parse(said.output));
    return { found: foundBy(parsed, { memMiB: request.memMiB, deadlineMs }), inactive: parsed.inactive };
  } finally {
    cancelDeadline();
    cancelKill?.();
    signal?.removeEventListener("abort", stop);
  }
}

/** Throws `INTERNAL` when the process ended before it began a graph: that says nothing of the bundle. */
function foundBy(
  ended: z.infer<typeof outcome>,
  { memMiB, deadlineMs }: { readonly memMiB: number; readonly deadlineMs: number },
): Trial["found"] {
  if (ended.kind === "figures") return ended.figures;
  if (ended.kind === "fault") return ended.fault;
  const { kind, graph, reason } = ended;
  if (graph === undefined)
    throw new SkerryError("INTERNAL", `the comparison of variants ended before it began: ${reason}`);
  switch (kind) {
    case "memory":
      return `${graph} needs more than the ${memMiB} MiB of memory that a comparison of variants may take here (${reason})`;
    case "stopped":
      return `the comparison of variants was stopped after ${Math.round(deadlineMs / 1_000)} s, while ${graph} ran: put fewer samples into ${SAMPLES_FILE}, or a quicker graph into its place`;
    case "died":
      return `${graph} ended the process in which variants are compared: ${reason}`;
  }
}
