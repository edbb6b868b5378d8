import type { Clock } from "../../../shared/base/clock.ts";
import { countedMiB, MAX_SHARED_MODELS, sharedLimitMiB, type SharedHostView } from "../../core/shared-hosts.ts";
import { isNearLimit, needsRecycling } from "../../core/host-recycling.ts";
import type { HostSpec, ModelHost } from "../../ports/model-hosts.ts";
import type { SharedHostExit, SharedHostProcess } from "../../ports/shared-hosts.ts";
import { hostFailure } from "./host-failure.ts";
import { SharedMember, type Tried } from "./shared-member.ts";

interface Parts {
  readonly name: string;
  readonly process: Promise<SharedHostProcess>;
  readonly clock: Clock;
  /** Its last model has left: it is of no more use. `graceMs`: for answers that are still read. Resolves when it is gone. */
  readonly onEmpty: (graceMs: number) => Promise<void>;
  /** One of its models keeps the others waiting. */
  readonly onUnfit: (directory: string, why: string) => void;
}

/** One process with several models. A model has its place from `load` to the end of its `stop`, or of the process. */
export class SharedHost {
  readonly #parts: Parts;
  /** By slot, oldest first. */
  readonly #members = new Map<number, SharedMember>();
  /** Loads, one after the other: each has the time that its trial took. */
  #loading: Promise<unknown> = Promise.resolve();
  /** What it held when its newest model was ready. */
  #readyMiB = 0;
  /** Once it has loaded a model. */
  #process: SharedHostProcess | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get view(): SharedHostView {
    return { name: this.#parts.name, shares: this.#shares, isClosed: this.whyWorn !== undefined || this.#isShrunk };
  }

  /** Models that left took their shares with them and not all of their memory: the limit for another one would end it. */
  get #isShrunk(): boolean {
    const limitMiB = sharedLimitMiB(this.#shares);
    return this.#process !== undefined && isNearLimit({ limitMiB, privateMiB: this.#process.memory().privateMiB });
  }

  get members(): readonly SharedMember[] {
    return [...this.#members.values()];
  }

  /** The model with a place in `slot`. */
  memberAt(slot: number): SharedMember | undefined {
    return this.#members.get(slot);
  }

  /** Takes a place at once and loads. Throws `HostFailure`; then the place is free again. */
  async load(spec: HostSpec, tried: Tried, signal: AbortSignal): Promise<ModelHost> {
    const { name, process, clock, onUnfit } = this.#parts;
    const slot = this.#freeSlot();
    const member = new SharedMember({
      spec,
      tried,
      slot,
      clock,
      host: name,
      counted: () => this.#countedMiB(slot),
      whyWorn: () => this.whyWorn,
      hostWork: () => this.#work(),
      onUnfit: (why) => onUnfit(spec.directory, why),
      onLeft: (graceMs) => this.#leave(slot, graceMs),
    });
    this.#members.set(slot, member);
    const loaded = this.#loading.then(async () => {
      const running = await process;
      signal.throwIfAborted();
      // Before its first model it takes address space as it starts, and has room for all that it may hold.
      if (this.#process !== undefined) await running.holdTo(sharedLimitMiB(this.#shares));
      await member.load(running);
      await running.holdTo(sharedLimitMiB(this.#shares));
      this.#readyMiB = running.memory().privateMiB;
      this.#process = running;
    });
    this.#loading = loaded.catch(() => undefined);
    try {
      await loaded;
      return member;
    } catch (error) {
      void this.#leave(slot, 0);
      throw error;
    }
  }

  /** Why its models should go to another one; undefined: it is well. What unloaded models leave behind stays in the process. */
  get whyWorn(): string | undefined {
    if (this.#process === undefined) return undefined;
    const { limitMiB, privateMiB } = this.#process.memory();
    const memory = { limitMiB, wantedMiB: limitMiB, readyMiB: this.#readyMiB, privateMiB };
    if (!needsRecycling(memory)) return undefined;
    return `its shared host ${this.#parts.name} had come to ${Math.round(privateMiB)} of its ${limitMiB} MiB`;
  }

  /**
   * The process has ended: so has each model in it. `mayReturn`: that counts as no crash of theirs; of the one that ended it it
   * does, unless a request was too much for it, as in a host of its own.
   */
  ended(
    exit: SharedHostExit,
    { mayReturn, sentence }: { readonly mayReturn: boolean; readonly sentence: string },
  ): void {
    for (const [i, [slot, member]] of [...this.#members].entries()) {
      const hasCrashed = slot === exit.endedBy && exit.blames === undefined;
      member.hostEnded(exit, { mayReturn: mayReturn && !hasCrashed, sentence: i === 0 ? sentence : undefined });
    }
    this.#members.clear();
  }

  #work(): { readonly hostWorkMs: number; readonly models: number } {
    // One that is about to leave is in nobody's way.
    const staying = this.members.filter(({ hasToLeave }) => !hasToLeave);
    return { hostWorkMs: staying.reduce((sum, { workMs }) => sum + workMs, 0), models: staying.length };
  }

  get #shares(): readonly number[] {
    return this.members.map(({ share }) => share);
  }

  #countedMiB(slot: number): number {
    return countedMiB(this.#shares, [...this.#members.keys()].indexOf(slot));
  }

  #freeSlot(): number {
    for (let slot = 1; slot <= MAX_SHARED_MODELS; slot += 1) if (!this.#members.has(slot)) return slot;
    throw hostFailure("LOAD_FAILED", `the shared host ${this.#parts.name} has no place left`);
  }

  async #leave(slot: number, graceMs: number): Promise<void> {
    const [first] = this.#members.keys();
    if (!this.#members.delete(slot)) return;
    if (this.#members.size === 0) return this.#parts.onEmpty(graceMs);
    // The next one is counted for the process too from now on.
    if (first === slot) this.members[0]?.spec.onMeasured?.();
  }
}
