import { limitFor } from "../../core/memory-limit.ts";
import { kindOf } from "../../../shared/text/model-kind.ts";
import { DEFAULT_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import { hostFailure } from "../../app/hosts/host-failure.ts";
import type { HostExit, HostSpec, HostTrial, ModelHost } from "../../ports/model-hosts.ts";
import type { CheckedHostEvent } from "./host-event.ts";
import { HostProcess } from "./host-process.ts";
import type { Launch } from "./launch.ts";
import { openStatusFile } from "./status-file.ts";

/** A first run may be slower than those that follow; even a quick limit gets a second. */
const MIN_WARM_UP_MS = 1_000;

type Loaded = Extract<CheckedHostEvent, { event: "loaded" }>;
type Ready = Extract<CheckedHostEvent, { event: "ready" }>;

export interface StartedHost extends ModelHost {
  readonly trial: HostTrial;
  /** Memory that trials of growing size left in it, in MiB. */
  readonly trialsMiB: number;
}

/** A host on its way to ready: loading, then warming. Each phase has its own deadline and its own failure. */
export class HostStart {
  readonly process: HostProcess;
  readonly #spec: HostSpec;
  readonly #onPhase: (phase: "loading" | "warming") => void;
  readonly #ready = Promise.withResolvers<Ready>();
  #loaded: Loaded | undefined;
  #stoppedReason: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    launch: Launch,
    options: {
      cwd: string;
      workDirectory: string;
      spec: HostSpec;
      onPhase: (phase: "loading" | "warming") => void;
      loadTimeoutMs: number;
    },
  ) {
    const { cwd, workDirectory, spec, onPhase, loadTimeoutMs } = options;
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
      statusFile: openStatusFile(workDirectory),
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
    const asks = kindOf({ text: this.#spec.text, encoder: this.#spec.encoder });
    const { growth } = outcome;
    const measuredMiB = startRoomMiB !== undefined && growth ? limitFor(growth.neededMiB, startRoomMiB) : undefined;
    await process.holdTo(measuredMiB ?? limits.memMiB);
    const stopped = (): string | undefined => this.#stoppedReason;
    const { inputs, outputs, loadMs, baseMiB, loadCpuMs, keepsState } = present(this.#loaded);
    const heldMiB = Math.max(growth?.neededMiB ?? 0, process.privateMiB);
    const addedMiB = baseMiB === undefined ? undefined : Math.max(0, heldMiB - baseMiB);
    return {
      inputs,
      outputs,
      loadMs,
      warmUs: outcome.warmUs,
      measuredMiB,
      trial: { addedMiB, loadCpuMs, runCpuUs: outcome.runCpuUs },
      trialsMiB: growth?.addedMiB ?? 0,
      mayShare,
      get noBatchReason() {
        return outcome.noBatchReason ?? stopped();
      },
      ...(outcome.slots !== undefined && { slots: outcome.slots }),
      asks,
      ...(keepsState === true && { keepsState }),
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
      case "unloaded": // of shared hosts
      case "slow-batch":
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
