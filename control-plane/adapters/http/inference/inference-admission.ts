import { SkerryError } from "../../../../shared/base/errors.ts";
import { ByteBudget, type HeldBytes } from "../../../../shared/inference/http/byte-budget.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { Metrics } from "../../../ports/metrics.ts";
import type { Limits } from "../server/limits.ts";

/** Of the bytes of all, what one key may hold: the rest stays for others, however large its bodies are. */
const SHARE_OF_ONE_KEY = 0.5;

interface KeyUse {
  running: number;
  readonly bytes: ByteBudget;
}

/** Bounds what inferences hold: requests and bytes of one key, and bytes of all. All bounds are hard. */
export class InferenceAdmission {
  readonly #limits: Limits;
  readonly #metrics: Pick<Metrics, "limitReached">;
  /** By key id, while it has requests under way. */
  readonly #uses = new Map<string, KeyUse>();
  readonly #bytes: ByteBudget;

  constructor(limits: Limits, metrics: Pick<Metrics, "limitReached">) {
    this.#limits = limits;
    this.#metrics = metrics;
    this.#bytes = new ByteBudget(limits.inferenceBytes);
  }

  /** Throws `RATE_LIMITED` when the key has too many requests under way. */
  enter({ keyId, limits }: Pick<Caller, "keyId" | "limits">): HeldBytes {
    const use = this.#uses.get(keyId) ?? {
      running: 0,
      bytes: new ByteBudget(this.#limits.inferenceBytes * SHARE_OF_ONE_KEY),
    };
    if (use.running >= Math.min(this.#limits.inferencesPerKey, limits.concurrency ?? Infinity)) {
      this.#metrics.limitReached("concurrency");
      throw new SkerryError("RATE_LIMITED", `${use.running} requests of this key are under way`, {
        retryAfterMs: 1_000,
      });
    }
    use.running += 1;
    this.#uses.set(keyId, use);
    const ofKey = use.bytes.enter();
    const ofAll = this.#bytes.enter();
    return {
      // What the key took and all together had no room for goes with the request, which is refused.
      take: (bytes) => ofKey.take(bytes) && ofAll.take(bytes),
      leave: () => {
        ofKey.leave();
        ofAll.leave();
        use.running -= 1;
        if (use.running === 0) this.#uses.delete(keyId);
      },
    };
  }
}
