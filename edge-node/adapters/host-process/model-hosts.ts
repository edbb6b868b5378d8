import { existsSync } from "node:fs";
import { chmod, mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { MODEL_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import { isHostFailure } from "../../app/hosts/host-failure.ts";
import type { HostSpec, ModelHost, ModelHosts } from "../../ports/model-hosts.ts";
import { type Confinement, UNCONFINED } from "./confinement/confinement.ts";
import { openModelFolder } from "./confinement/host-user.ts";
import { HostStart, type StartedHost } from "./host-start.ts";
import { programOf } from "./host-task.ts";
import { type Launch, launchOf } from "./launch.ts";

export interface ModelHostsOptions {
  /** Folder for what hosts need beside their model: the empty working directory and compiled sources. Made when missing. */
  readonly workDirectory: string;
  /** 2 GiB from an SD card at 20 MiB/s take 100 s. */
  readonly loadTimeoutMs?: number;
  /** Path in an artifact's folder of the file that the runtime loads; by default `model.onnx`. */
  readonly mainFile?: (directory: string) => Promise<string>;
  /** Threads with which the host of a text model computes. Default: 1. */
  readonly textThreads?: number;
  /** What keeps hosts from the network and from rights. Left out: nothing does. */
  readonly confinement?: Pick<Confinement, "prefix" | "user">;
  /** Run the host as this program instead of `edge-node/model-host/main.ts`. For tests. */
  readonly entry?: string;
}

const LOAD_TIMEOUT_MS = 180_000;
const SHELL = "/bin/sh";

const MIB = 1_048_576;

/** More than this is not left in the memory of a host that only tried it out, in MiB. */
const KEPT_BY_TRIALS_MIB = 64;

interface StartOptions {
  readonly cwd: string;
  readonly main: string;
  readonly onPhase: (phase: "loading" | "warming") => void;
  readonly signal: AbortSignal;
  readonly withoutTrials?: boolean;
}

/** Starts each model in a child process of its own, with a cap on its memory and a deadline for each step. */
export class ProcessModelHosts implements ModelHosts {
  readonly #options: ModelHostsOptions;

  constructor(options: ModelHostsOptions) {
    this.#options = options;
  }

  async start(
    spec: HostSpec,
    onPhaseOfCaller: (phase: "loading" | "warming") => void,
    signal: AbortSignal,
  ): Promise<ModelHost> {
    signal.throwIfAborted();
    const phases: string[] = [];
    const onPhase = (phase: "loading" | "warming"): void => {
      phases.push(phase);
      onPhaseOfCaller(phase);
    };
    // Nothing lies in the working directory, so a model cannot read it: external data is looked up beside the model
    // and, for models loaded from bytes, here.
    const cwd = await emptyFolder(this.#options.workDirectory);
    await letHostsRead(spec.directory, this.#options);
    const main = (await this.#options.mainFile?.(spec.directory)) ?? MODEL_FILE;
    try {
      return await this.#startMeasured(spec, { cwd, main, onPhase, signal });
    } catch (error) {
      // A whole number divided by a made-up zero ends the process. Values that no caller sent decide nothing: load it alone.
      if (
        signal.aborted ||
        spec.text !== undefined ||
        spec.encoder !== undefined ||
        !isHostFailure(error) ||
        error.code !== "HOST_CRASHED" ||
        phases.at(-1) !== "warming"
      )
        throw error;
      const onPhaseAgain = (): void => undefined;
      const host = await this.#startOnce(spec, { cwd, main, signal, onPhase: onPhaseAgain, withoutTrials: true });
      spec.onWarning?.(
        "WarmRunFailed",
        `made-up values ended its process (${error.message}); it serves without a warm run`,
      );
      return host;
    }
  }

  /**
   * Without a declared limit the first start finds one out, by larger and larger runs. The runtime keeps the memory of its
   * largest run, so a host that grew much by them is replaced before it serves.
   */
  async #startMeasured(spec: HostSpec, how: StartOptions): Promise<ModelHost> {
    const { startRoomMiB, ...plain } = spec;
    if (startRoomMiB === undefined) return this.#startOnce(spec, how);
    const measured = await this.#startOnce(spec, how).catch((error: unknown) => {
      if (!isHostFailure(error) || error.code !== "OUT_OF_MEMORY") throw error;
      return undefined;
    });
    if (measured === undefined) return this.#startOnce(plain, how);
    const { measuredMiB } = measured;
    if (measuredMiB === undefined || measured.trialsMiB <= KEPT_BY_TRIALS_MIB) return measured;
    await measured.stop(0);
    const host = await this.#startOnce({ ...plain, limits: { ...spec.limits, memMiB: measuredMiB } }, how);
    return Object.assign(host, { measuredMiB, trial: measured.trial });
  }

  async #startOnce(spec: HostSpec, how: StartOptions): Promise<StartedHost> {
    const { cwd, main, onPhase, signal, withoutTrials = false } = how;
    signal.throwIfAborted();
    const start = new HostStart(this.#launch(spec, main, { withoutTrials }), {
      cwd,
      workDirectory: this.#options.workDirectory,
      spec,
      onPhase,
      loadTimeoutMs: this.#options.loadTimeoutMs ?? LOAD_TIMEOUT_MS,
    });
    const onAbort = (): void => start.process.kill({ code: "HOST_CRASHED", reason: "the start was called off" });
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await start.finished();
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #launch(spec: HostSpec, main: string, { withoutTrials }: { readonly withoutTrials: boolean }): Launch {
    const { textThreads: threads = 1, entry: own } = this.#options;
    const { entry, task } = programOf(spec, path.resolve(spec.directory, main), { threads, entry: own, withoutTrials });
    return launchOf({
      ...launchParts(this.#options),
      entry,
      task: JSON.stringify(task),
      memMiB: spec.startRoomMiB ?? spec.limits.memMiB,
      mappedMiB: (spec.text?.fileBytes ?? 0) / MIB,
    });
  }
}

/** Where hosts have a user of their own. */
export async function letHostsRead(
  directory: string,
  { workDirectory, confinement }: Pick<ModelHostsOptions, "workDirectory" | "confinement">,
): Promise<void> {
  const { user } = confinement ?? UNCONFINED;
  if (user) await openModelFolder(user, { stateDir: path.dirname(workDirectory), directory: path.resolve(directory) });
}

/** What every host's launch needs. */
export const launchParts = ({
  workDirectory,
  confinement = UNCONFINED,
}: Pick<ModelHostsOptions, "workDirectory" | "confinement">) => ({
  execPath: process.execPath,
  arch: process.arch,
  shell: existsSync(SHELL) ? SHELL : undefined,
  prefix: confinement.prefix,
  guarded: process.pid !== 1,
  compileCache: path.join(workDirectory, "compile-cache"),
});

/** A folder that is empty and stays so. Root alone could make one in a parent that nobody may write to. */
export async function emptyFolder(parent: string): Promise<string> {
  const folder = path.join(parent, "empty");
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await chmod(parent, (await stat(parent)).mode & 0o710);
  await mkdir(folder, { recursive: true, mode: 0o500 });
  return folder;
}
