import type { ChangeSet } from "../../core/fleet/changes/change-set.ts";

/** Tells which models have other versions or aliases than before, to those who follow. */
export class ModelChanges {
  readonly #followers = new Set<(model: string) => void>();

  constructor(fleet: { onChange(listener: (change: ChangeSet) => void): void }) {
    fleet.onChange(({ versions, aliases }) => {
      const names = new Set([...versions, ...aliases].map((key) => key.replace(/[:@][^:@]*$/, "")));
      for (const name of names) for (const tell of this.#followers) tell(name);
    });
  }

  /** Until `signal` is aborted. */
  follow(changed: (model: string) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    this.#followers.add(changed);
    return new Promise((resolve) =>
      signal.addEventListener(
        "abort",
        () => {
          this.#followers.delete(changed);
          resolve();
        },
        { once: true },
      ),
    );
  }
}
