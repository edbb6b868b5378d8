import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { isOutOfMemory } from "../../model-host/out-of-memory.ts";
import { type Confinement, UNCONFINED } from "./confinement/confinement.ts";
import { exitReason } from "./exit-reason.ts";
import { openModelFolder } from "./confinement/host-user.ts";
import { launchOf } from "./launch.ts";
import { MemoryWatch } from "./confinement/memory-watch.ts";
import { spawnHost } from "./spawn-host.ts";

const PROGRAM = fileURLToPath(new URL("../../model-host/variant-trial.ts", import.meta.url));
const SHELL = "/bin/sh";
/** Figures of at most eight variants, and a line for each graph that is begun. */
const MAX_OUTPUT_CHARACTERS = 65_536;

const line = z.union([
  z.object({ graph: z.string() }),
  z.object({ figures: z.array(z.unknown()) }),
  z.object({ fault: z.string(), outOfMemory: z.boolean() }),
]);

/** How a comparison of variants ended. */
export type TrialOutcome =
  /** All graphs were run. */
  | { readonly kind: "figures"; readonly figures: readonly unknown[] }
  /** The bundle's fault, as a sentence. */
  | { readonly kind: "fault"; readonly fault: string }
  /** The memory limit was met, the process died, or it was stopped. `graph`: which one ran; undefined: none was begun. */
  | { readonly kind: "memory" | "died" | "stopped"; readonly graph: string | undefined; readonly reason: string };

/**
 * Runs `model-host/variant-trial.ts` in `folder`, confined as a model host is. It is killed at its memory limit, when `signal` is
 * aborted, and with this process. Never rejects.
 */
export async function runTrial(
  task: object,
  options: {
    /** It holds the files of the bundle, and the paths of the task are relative to it: nobody needs to pass the folders above. */
    readonly folder: string;
    readonly memMiB: number;
    readonly confinement?: Confinement;
    readonly signal: AbortSignal;
  },
): Promise<TrialOutcome> {
  const { folder, memMiB, confinement = UNCONFINED, signal } = options;
  const { user, prefix } = confinement;
  if (user) await openModelFolder(user, { stateDir: folder, directory: folder });
  if (signal.aborted) return { kind: "stopped", graph: undefined, reason: "stopped before it began" };
  const launch = launchOf({
    execPath: process.execPath,
    arch: process.arch,
    shell: existsSync(SHELL) ? SHELL : undefined,
    prefix,
    entry: PROGRAM,
    task: JSON.stringify(task),
    memMiB,
    mappedMiB: 0,
    guarded: true,
    compileCache: undefined,
  });
  const { child, link, stderr } = spawnHost(launch, folder);
  let why: { readonly kind: "memory" | "stopped"; readonly reason: string } | undefined;
  const end = (kind: "memory" | "stopped", reason: string): void => {
    why ??= { kind, reason };
    child.kill("SIGKILL");
  };
  let said = "";
  link.setEncoding("utf8");
  link.on("error", () => undefined);
  link.on("data", (text: string) => {
    said += text;
    if (said.length > MAX_OUTPUT_CHARACTERS) end("stopped", "it wrote more than figures");
  });
  const watch =
    child.pid === undefined
      ? undefined
      : new MemoryWatch(child.pid, {
          limitMiB: memMiB,
          platform: process.platform,
          onOver: (privateMiB) => end("memory", `it held ${Math.round(privateMiB)} MiB`),
        });
  const onAbort = (): void => end("stopped", "it took too long");
  signal.addEventListener("abort", onAbort, { once: true });
  const ended = await new Promise<{ readonly exitCode: number | null; readonly signal: string | null }>((resolve) => {
    // `close` does not come after it when the process could not be started.
    child.once("error", (error) => resolve({ exitCode: null, signal: `error ${error.message}` }));
    child.once("close", (exitCode, name) => resolve({ exitCode, signal: name }));
  });
  watch?.stop();
  signal.removeEventListener("abort", onAbort);
  const { graph, result } = read(said);
  if (why !== undefined) return { ...why, graph };
  if (result !== undefined && "figures" in result) return { kind: "figures", figures: result.figures };
  if (result !== undefined && !result.outOfMemory) return { kind: "fault", fault: result.fault };
  if (result !== undefined) return { kind: "memory", graph, reason: result.fault };
  const reason =
    ended.signal === "SIGKILL"
      ? "it was killed, as happens when the machine is out of memory"
      : exitReason({ ...ended, known: undefined, stderr: stderr(), memMiB }).reason;
  return { kind: isOutOfMemory(stderr()) ? "memory" : "died", graph, reason };
}

/** The graph that was begun last, and the result if there is one. What is no line of ours is passed over. */
function read(said: string) {
  let graph: string | undefined;
  let result: Exclude<z.infer<typeof line>, { readonly graph: string }> | undefined;
  for (const each of said.split("\n")) {
    const found = line.safeParse(parsed(each));
    if (!found.success) continue;
    if ("graph" in found.data) graph = found.data.graph;
    else result = found.data;
  }
  return { graph, result };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
