import { EMPTY_DESIRED } from "../../../shared/protocol/desired.ts";
import type { MemoryFile, NodeMemory } from "../../ports/disk.ts";

const NEW_NODE: NodeMemory = { epoch: 0, desiredRev: 0, desired: EMPTY_DESIRED, retained: [], previous: [] };

/** What the node remembers, in memory and on disk. Changes are written one after another, each on top of the last. */
export class Memory {
  readonly #file: MemoryFile;
  #current: NodeMemory = NEW_NODE;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(file: MemoryFile) {
    this.#file = file;
  }

  /** What is on the disk, or will be in a moment. */
  get current(): NodeMemory {
    return this.#current;
  }

  async load(): Promise<void> {
    this.#current = (await this.#file.load()) ?? NEW_NODE;
  }

  /** Durable when it resolves. When the write fails it rejects, and nothing has changed. */
  update(change: (memory: NodeMemory) => NodeMemory): Promise<void> {
    const done = this.#writing.then(async () => {
      const changed = change(this.#current);
      if (changed === this.#current) return;
      await this.#file.save(changed);
      this.#current = changed;
    });
    this.#writing = done.catch(() => undefined);
    return done;
  }
}
