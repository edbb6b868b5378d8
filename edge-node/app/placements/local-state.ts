import { EMPTY_DESIRED } from "../../../shared/protocol/desired.ts";
import type { StateFile, NodeState } from "../../ports/disk.ts";

const NEW_NODE: NodeState = { epoch: 0, desiredRev: 0, desired: EMPTY_DESIRED, retained: [], previous: [] };

/** What the node remembers, in memory and on disk. Changes are written one after another, each on top of the last. */
export class LocalState {
  readonly #file: StateFile;
  #current: NodeState = NEW_NODE;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(file: StateFile) {
    this.#file = file;
  }

  /** What is on the disk, or will be in a moment. */
  get current(): NodeState {
    return this.#current;
  }

  async load(): Promise<void> {
    this.#current = (await this.#file.load()) ?? NEW_NODE;
  }

  /** Durable when it resolves. When the write fails it rejects, and nothing has changed. */
  update(change: (memory: NodeState) => NodeState): Promise<void> {
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
