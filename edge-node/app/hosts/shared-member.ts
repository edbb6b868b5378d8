import { BusyWindow } from "../../core/busy-window.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import {
  BUSY_WINDOW_MS,
  isTooBusy,
  MAX_SLOW_BATCHES,
  rowsWithin,
  shareMiB,
  SLOW_BATCHES_WITHIN_MS,
  type Trial,
} from "../../core/shared-hosts.ts";
import type {
  HostExit,
  HostRequest,
  HostResponse,
  HostSpec,
  ModelHost,
  SharedHostEnd,
} from "../../ports/model-hosts.ts";
import type { SharedHostProcess } from "../../ports/shared-hosts.ts";
import { hostFailure } from "./host-failure.ts";

/** What was seen of a model in a process of its own, as its place in a shared host needs it. */
export interface Tried extends Trial {
  readonly warmUs: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly noBatchReason: string | undefined;
}

interface Parts {
  readonly spec: HostSpec;
  readonly tried: Tried;
  readonly slot: number;
  readonly clock: Clock;
  /** Name of its host. */
  readonly host: string;
  /** What it is counted for now, in MiB. */
  readonly counted: () => number;
  /** Why its host is of no more use. */
  readonly whyWorn: () => string | undefined;
  /** What the models that stay in its host worked in the last window, in ms, and how many they are. */
  readonly hostWork: () => { readonly hostWorkMs: number; readonly models: number };
  /** It keeps its neighbours waiting. */
  readonly onUnfit: (why: string) => void;
  /** It is out of its host. `graceMs`: for answers that are still read. Resolves when nothing of it is left there. */
  readonly onLeft: (graceMs: number) => Promise<void>;
}

/** A model in a shared host, as the rest of the agent sees it: a model host like any other. */
export class SharedMember implements ModelHost {
  readonly #parts: Parts;
  readonly #exit = Promise.withResolvers<HostExit>();
  #process: SharedHostProcess | undefined;
  #loadMs = 0;
  #stoppedSharing: string | undefined;
  /** When batches were slow. */
  #slowBatches: readonly number[] = [];
  #whyUnfit: string | undefined;
  readonly #work: BusyWindow;
  #isLeaving: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#work = new BusyWindow(parts.clock.now());
  }

  get spec(): HostSpec {
    return this.#parts.spec;
  }

  /** What it takes of the host's memory beside the process itself, in MiB. */
  get share(): number {
    return shareMiB(this.addedMiB);
  }

  get inputs(): readonly TensorSpec[] {
    return this.#parts.tried.inputs;
  }

  get outputs(): readonly TensorSpec[] {
    return this.#parts.tried.outputs;
  }

  get loadMs(): number {
    return this.#loadMs;
  }

  get warmUs(): number {
    return this.#parts.tried.warmUs;
  }

  get measuredMiB(): number {
    return this.#parts.counted();
  }

  get addedMiB(): number {
    return this.#parts.tried.addedMiB ?? 0;
  }

  get sharedHost(): string {
    return this.#parts.host;
  }

  get mayShare(): ModelHost["mayShare"] {
    return this.spec.mayShare;
  }

  get noBatchReason(): string | undefined {
    return this.#parts.tried.noBatchReason ?? this.#stoppedSharing;
  }

  get exited(): Promise<HostExit> {
    return this.#exit.promise;
  }

  reviewWork(): void {
    if (this.#whyUnfit !== undefined || !isTooBusy({ workMs: this.workMs, ...this.#parts.hostWork() })) return;
    this.#leaveFor(`it kept ${this.sharedHost} busy for ${Math.round(this.workMs)} of ${BUSY_WINDOW_MS} ms`);
  }

  whyReplace(): string | undefined {
    return this.#whyUnfit ?? this.#parts.whyWorn();
  }

  /** It keeps its neighbours waiting, and is to have a process of its own. */
  get hasToLeave(): boolean {
    return this.#whyUnfit !== undefined;
  }

  /** What it worked in the last window, in ms. */
  get workMs(): number {
    return this.#work.lastMs(this.#parts.clock.now());
  }

  rssMiB(): number {
    return this.addedMiB;
  }

  memory(): { readonly limitMiB: number; readonly privateMiB: number } {
    return { limitMiB: this.measuredMiB, privateMiB: this.addedMiB };
  }

  /** Its share is what its trial showed. */
  raiseMemory(): Promise<void> {
    return Promise.resolve();
  }

  async load(process: SharedHostProcess): Promise<void> {
    const { slot, tried } = this.#parts;
    const { model, version, directory, defaults = [], samples, onSharingStopped } = this.spec;
    this.#process = process;
    this.#loadMs = await process.load(slot, {
      model,
      version,
      directory,
      defaults,
      samples,
      noBatchReason: tried.noBatchReason,
      onSharingStopped: (reason) => {
        this.#stoppedSharing = reason;
        onSharingStopped?.(reason);
      },
      onSlowBatch: (cpuMs) => this.#wasSlow(cpuMs),
    });
  }

  async infer(request: HostRequest): Promise<HostResponse> {
    if (this.#process === undefined) throw new Error(`${this.sharedHost} has not loaded ${this.spec.model}`);
    // Its slot may be another model's by now. In a queue that drains there may still be requests.
    if (this.#isLeaving !== undefined)
      throw Object.assign(hostFailure("HOST_CRASHED", "stopped by the agent"), { started: false });
    const maxRows = rowsWithin(request.maxRows, this.#parts.tried.runCpuUs ?? 0);
    const answer = await this.#process.ask(this.#parts.slot, { ...request, maxRows });
    // The time of a batch is that of each of its requests.
    this.#work.add(answer.computeUs / 1_000 / Math.max(1, answer.batchSize), this.#parts.clock.now());
    return answer;
  }

  #wasSlow(cpuMs: number): void {
    const now = this.#parts.clock.now();
    this.#slowBatches = [...this.#slowBatches.filter((at) => now - at < SLOW_BATCHES_WITHIN_MS), now];
    if (this.#slowBatches.length < MAX_SLOW_BATCHES || this.#whyUnfit !== undefined) return;
    this.#leaveFor(
      `its runs keep the other models of ${this.sharedHost} waiting, the last one for ${Math.round(cpuMs)} ms`,
    );
  }

  #leaveFor(why: string): void {
    this.#whyUnfit = why;
    this.#parts.onUnfit(why);
  }

  /** What it was asked is answered first, whatever that takes: only the end of the process, and so of its neighbours, would be sooner. */
  stop(graceMs: number): Promise<void> {
    return (this.#isLeaving ??= this.#leave(graceMs));
  }

  async #leave(graceMs: number): Promise<void> {
    await this.#process?.unload(this.#parts.slot);
    await this.#parts.onLeft(graceMs);
    this.#exit.resolve({ code: "HOST_CRASHED", reason: "stopped by the agent" });
  }

  hostEnded({ code, reason }: HostExit, shared: SharedHostEnd): void {
    this.#exit.resolve({ code, reason: `the shared host ${this.sharedHost} ended: ${reason}`, shared });
  }
}
