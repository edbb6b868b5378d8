import { SkerryError } from "../../../../shared/base/errors.ts";
import { ByteBudget, type HeldBytes } from "../../../../shared/inference/http/byte-budget.ts";
import type { Limits } from "../server/limits.ts";

/** Bounds what inferences hold together: requests of one key, bytes of all. Both bounds are hard. */
export class InferenceAdmission {
  readonly #limits: Limits;
  /** By key id. Only valid keys come here, so there are no more entries than keys. */
  readonly #running = new Map<string, number>();
  readonly #bytes: ByteBudget;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#bytes = new ByteBudget(limits.inferenceBytes);
  }

  /** Throws `RATE_LIMITED` when the key has too many requests under way. */
  enter(keyId: string): HeldBytes {
    const running = this.#running.get(keyId) ?? 0;
    if (running >= this.#limits.inferencesPerKey) {
      throw new SkerryError("RATE_LIMITED", `${running} requests of this key are under way`, { retryAfterMs: 1_000 });
    }
    this.#running.set(keyId, running + 1);
    const { take, leave } = this.#bytes.enter();
    return {
      take,
      leave: () => {
        leave();
        this.#running.set(keyId, (this.#running.get(keyId) ?? 1) - 1);
      },
    };
  }
}
