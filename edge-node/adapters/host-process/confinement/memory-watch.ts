import { type ProcessMemory, readMemory } from "./process-memory.ts";

const EVERY_MS = 250;
/** `ps` is a process of its own. */
const EVERY_MS_BY_PS = 1_000;

/**
 * Looks at a host's memory and says when it is over its limit. Together with the cap on address space that makes the
 * limit mean something: the cap ends one huge allocation at once, this ends many small ones within 250 ms.
 */
export class MemoryWatch {
  readonly #pid: number;
  readonly #platform: string;
  /** 0: only looks. May change. */
  limitMiB: number;
  readonly #onOver: (privateMiB: number) => void;
  #latest: ProcessMemory = { residentMiB: 0, privateMiB: 0 };
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** `limitMiB` 0: only looks. */
  constructor(pid: number, options: { limitMiB: number; platform: string; onOver: (privateMiB: number) => void }) {
    this.#pid = pid;
    this.#platform = options.platform;
    this.limitMiB = options.limitMiB;
    this.#onOver = options.onOver;
    void this.look();
  }

  async look(): Promise<void> {
    clearTimeout(this.#timer);
    const memory = await readMemory(this.#pid, this.#platform);
    if (this.#isStopped || memory === undefined) return;
    this.#latest = memory;
    if (this.limitMiB > 0 && memory.privateMiB > this.limitMiB) return this.#onOver(memory.privateMiB);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look(), this.#platform === "linux" ? EVERY_MS : EVERY_MS_BY_PS);
  }

  /** As of the last look, at most a second ago. */
  get latest(): ProcessMemory {
    return this.#latest;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
