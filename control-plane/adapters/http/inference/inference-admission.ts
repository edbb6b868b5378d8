import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Limits } from "../server/limits.ts";

/** One admitted inference: what it holds until it leaves. */
export interface Admission {
  /** Counts bytes that arrived; false when the process holds as many as it may. */
  readonly take: (bytes: number) => boolean;
  /** Gives everything back. Once. */
  readonly leave: () => void;
}

/** Bounds what inferences hold together: requests of one key, bytes of all. Both bounds are hard. */
export class InferenceAdmission {
  readonly #limits: Limits;
  /** By key id. Only valid keys come here, so there are no more entries than keys. */
  readonly #running = new Map<string, number>();
  #bytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Throws `RATE_LIMITED` when the key has too many requests under way. */
  enter(keyId: string): Admission {
    const running = this.#running.get(keyId) ?? 0;
    if (running >= this.#limits.inferencesPerKey) {
      throw new SkerryError("RATE_LIMITED", `${running} requests of this key are under way`, { retryAfterMs: 1_000 });
    }
    this.#running.set(keyId, running + 1);
    let held = 0;
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#limits.inferenceBytes) return false;
        this.#bytes += bytes;
        held += bytes;
        return true;
      },
      leave: () => {
        this.#bytes -= held;
        this.#running.set(keyId, (this.#running.get(keyId) ?? 1) - 1);
      },
    };
  }
}
