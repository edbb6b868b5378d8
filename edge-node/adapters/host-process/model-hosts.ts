import { existsSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import path from "node:path";
import { MODEL_FILE } from "../../../shared/protocol/bundle.ts";
import { DEFAULT_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import { hostFailure, isHostFailure } from "../../app/hosts/host-failure.ts";
import { limitFor } from "../../core/memory-limit.ts";
import { type TextCapacity, textCapacity, textMemMiB } from "../../../shared/text/text-model.ts";
import { kindOf } from "../../../shared/text/model-kind.ts";
import type { EncoderHostTask, HostTask, TextHostTask } from "../../model-host/link/link-frame.ts";
import type { HostExit, HostSpec, ModelHost, ModelHosts } from "../../ports/model-hosts.ts";
import type { CheckedHostEvent } from "./host-event.ts";
import { HostProcess } from "./host-process.ts";
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
  /** Run the host as this program instead of `edge-node/model-host/main.ts`. For tests. */
  readonly entry?: string;
}

const LOAD_TIMEOUT_MS = 180_000;
/** A first run may be slower than those that follow; even a quick limit gets a second. */
const MIN_WARM_UP_MS = 1_000;
const SHELL = "/bin/sh";
const ENTRY = path.join(import.meta.dirname, "../../model-host/main.ts");
const ENCODER_ENTRY = path.join(import.meta.dirname, "../../model-host/embed-main.ts");
const TEXT_ENTRY = path.join(import.meta.dirname, "../../model-host/text-main.ts");

const MIB = 1_048_576;

type Loaded = Extract<CheckedHostEvent, { event: "loaded" }>;
type Ready = Extract<CheckedHostEvent, { event: "ready" }>;

/** More than this is not left in the memory of a host that only tried it out, in MiB. */
const KEPT_BY_TRIALS_MIB = 64;
/** Of all trials of growing size, in ms; and never more than one request may take. */
const TRIALS_MS = 2_000;
/** What many callers share in a run, or one sends at once, by the default of text encoders. */
const TRIED_ROWS = 32;

interface StartOptions {
  readonly cwd: string;
  readonly main: string;
  readonly onPhase: (phase: "loading" | "warming") => void;
  readonly signal: AbortSignal;
  readonly withoutTrials?: boolean;
}

interface StartedHost extends ModelHost {
  /** Memory that trials of growing size left in it, in MiB. */
  readonly trialsMiB: number;
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
    return Object.assign(host, { measuredMiB });
  }

  async #startOnce(spec: HostSpec, how: StartOptions): Promise<StartedHost> {
    const { cwd, main, onPhase, signal, withoutTrials = false } = how;
    signal.throwIfAborted();
    const start = new HostStart(this.#launch(spec, main, { withoutTrials }), {
      cwd,
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
    const { workDirectory } = this.#options;
    const { entry, task } = this.#program(spec, path.resolve(spec.directory, main), { withoutTrials });
    return launchOf({
      execPath: process.execPath,
      entry,
      task: JSON.stringify(task),
      memMiB: spec.startRoomMiB ?? spec.limits.memMiB,
      mappedMiB: (spec.text?.fileBytes ?? 0) / MIB,
      arch: process.arch,
      shell: existsSync(SHELL) ? SHELL : undefined,
      guarded: process.pid !== 1,
      compileCache: path.join(workDirectory, "compile-cache"),
    });
  }

  #program(
    spec: HostSpec,
    file: string,
    { withoutTrials }: { readonly withoutTrials: boolean },
  ): { readonly entry: string; readonly task: HostTask | TextHostTask | EncoderHostTask } {
    const { entry, textThreads: threads = 1 } = this.#options;
    const {
      model,
      version,
      mayShare,
      startRoomMiB,
      tooLarge = [],
      defaults = [],
      samples,
      text,
      encoder,
      limits,
    } = spec;
    if (text !== undefined)
      return { entry: TEXT_ENTRY, task: { model, version, file, threads, ...capacityOf(text, limits.memMiB) } };
    if (encoder !== undefined) return { entry: ENCODER_ENTRY, task: encoderTask(spec, encoder, file) };
    const budgetMs = Math.min(TRIALS_MS, limits.timeoutMs || DEFAULT_DEADLINE_MS);
    const task: HostTask = {
      model,
      version,
      file,
      ...(mayShare?.isShared === false && { noBatchReason: mayShare.reason }),
      ...(withoutTrials && { withoutTrials }),
      ...(startRoomMiB !== undefined && {
        growth: { maxRows: Math.max(TRIED_ROWS, limits.maxBatch), maxMiB: startRoomMiB, budgetMs },
      }),
      ...(tooLarge.length > 0 && { tooLarge }),
      ...(defaults.length > 0 && { defaults }),
      ...(samples !== undefined && { samples: path.resolve(spec.directory, samples) }),
    };
    return { entry: entry ?? ENTRY, task };
  }
}

function encoderTask(
  { model, version, directory, tooLarge = [] }: HostSpec,
  encoder: NonNullable<HostSpec["encoder"]>,
  file: string,
): EncoderHostTask {
  const { tokenizer, tokenizerSettings } = encoder;
  return {
    model,
    version,
    file,
    tokenizer: path.resolve(directory, tokenizer),
    tokenizerSettings: tokenizerSettings === undefined ? undefined : path.resolve(directory, tokenizerSettings),
    encoder,
    ...(tooLarge.length > 0 && { tooLarge }),
  };
}

/** Throws `HostFailure` OUT_OF_MEMORY. */
function capacityOf({ model, fileBytes }: NonNullable<HostSpec["text"]>, memMiB: number): TextCapacity {
  const capacity = textCapacity(model, fileBytes, memMiB);
  if (capacity) return capacity;
  throw hostFailure(
    "OUT_OF_MEMORY",
    `a limit of ${memMiB} MiB has no room for its weights and one request; ${textMemMiB(model, fileBytes)} MiB are usual`,
  );
}

/** A host on its way to ready: loading, then warming. Each phase has its own deadline and its own failure. */
class HostStart {
  readonly process: HostProcess;
  readonly #spec: HostSpec;
  readonly #onPhase: (phase: "loading" | "warming") => void;
  readonly #ready = Promise.withResolvers<Ready>();
  #loaded: Loaded | undefined;
  #stoppedReason: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    launch: Launch,
    options: { cwd: string; spec: HostSpec; onPhase: (phase: "loading" | "warming") => void; loadTimeoutMs: number },
  ) {
    const { cwd, spec, onPhase, loadTimeoutMs } = options;
    this.#spec = spec;
    this.#onPhase = onPhase;
    onPhase("loading");
    this.#allow(loadTimeoutMs, "LOAD_TIMEOUT", "loading");
    const memMiB = spec.startRoomMiB ?? spec.limits.memMiB;
    this.process = new HostProcess(launch, {
      cwd,
      memMiB,
      runsSeveral: spec.text !== undefined || spec.encoder !== undefined,
      platform: process.platform,
      onEvent: (event) => this.#take(event),
    });
  }

  /** Resolves when it may serve; throws when the process is gone. */
  async finished(): Promise<StartedHost> {
    const { process } = this;
    const outcome = await Promise.race([this.#ready.promise, process.exited]);
    clearTimeout(this.#timer);
    await process.lookAtMemory();
    if ("reason" in outcome) throw hostFailure(outcome.code, outcome.reason);
    const { startRoomMiB, limits, mayShare } = this.#spec;
    const asks = kindOf(this.#spec);
    const { growth } = outcome;
    const measuredMiB = startRoomMiB !== undefined && growth ? limitFor(growth.neededMiB, startRoomMiB) : undefined;
    await process.holdTo(measuredMiB ?? limits.memMiB);
    const stopped = (): string | undefined => this.#stoppedReason;
    const { inputs, outputs, loadMs } = present(this.#loaded);
    return {
      inputs,
      outputs,
      loadMs,
      warmUs: outcome.warmUs,
      measuredMiB,
      trialsMiB: growth?.addedMiB ?? 0,
      mayShare,
      get noBatchReason() {
        return outcome.noBatchReason ?? stopped();
      },
      ...(outcome.slots !== undefined && { slots: outcome.slots }),
      asks,
      rssMiB: () => process.residentMiB,
      memory: () => ({ limitMiB: process.memMiB, privateMiB: process.privateMiB }),
      raiseMemory: async (memMiB) => {
        if (process.memMiB > 0 && (memMiB === 0 || memMiB > process.memMiB)) await process.raiseTo(memMiB);
      },
      infer: (request) => process.ask(request),
      stop: (graceMs) => process.stop(graceMs),
      exited: process.exited,
    };
  }

  #allow(timeoutMs: number, code: HostExit["code"], doing: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.process.kill({ code, reason: `killed after ${timeoutMs} ms of ${doing}` }),
      timeoutMs,
    );
  }

  #take(event: CheckedHostEvent): void {
    switch (event.event) {
      case "loaded": {
        this.#loaded = event;
        const timeoutMs = this.#spec.limits.timeoutMs || DEFAULT_DEADLINE_MS;
        this.#allow(Math.max(MIN_WARM_UP_MS, 2 * timeoutMs), "WARMUP_TIMEOUT", "its warm run");
        return this.#onPhase("warming");
      }
      case "ready":
        for (const { reason, message } of event.warnings) this.#spec.onWarning?.(reason, message);
        return this.#ready.resolve(event);
      case "larger-run":
        return this.process.largerRun(event.size);
      case "sharing-stopped":
        this.#stoppedReason = event.reason;
        return this.#spec.onSharingStopped?.(event.reason);
      case "progress":
        return; // the link has heard it
      case "failed":
        return this.process.expectEnd(failureOf(event, this.process.memMiB));
    }
  }
}

function failureOf(event: Extract<CheckedHostEvent, { event: "failed" }>, memMiB: number): HostExit {
  const { phase, outOfMemory, detail } = event;
  if (outOfMemory) return { code: "OUT_OF_MEMORY", reason: `memory limit of ${memMiB} MiB: ${detail}` };
  return { code: phase === "loading" ? "LOAD_FAILED" : "WARMUP_FAILED", reason: detail };
}

function present(loaded: Loaded | undefined): Loaded {
  if (loaded === undefined) throw hostFailure("HOST_CRASHED", "the model host was ready before it was loaded");
  return loaded;
}

/** A folder that is empty and stays so. Root alone could make one in a parent that nobody may write to. */
async function emptyFolder(parent: string): Promise<string> {
  const folder = path.join(parent, "empty");
  await mkdir(parent, { recursive: true });
  await chmod(parent, 0o700);
  await mkdir(folder, { recursive: true, mode: 0o500 });
  return folder;
}
