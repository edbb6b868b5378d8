import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { KUBERNETES } from "../../ports/access/audit.ts";
import type { OwnerStore } from "../../ports/cloud/custom-resources.ts";
import type { LeaderFence } from "../../ports/plan.ts";

const LOOK_MS = 60_000;
/** Long enough for a rollout of a control plane with another setting, or for one that was started without it by mistake. */
const UNWATCHED_MS = 10 * 60_000;

interface Parts {
  readonly store: OwnerStore;
  /** Whose custom resources are carried out; undefined: none. */
  readonly namespace: string | undefined;
  /** The lease and when it was won, while this replica leads. */
  readonly lead: () => { readonly fence: LeaderFence; readonly since: number } | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Releases to the API what custom resources of another namespace declared, once a control plane that does not carry that
 * namespace out has led for 10 minutes: nobody else would ever change it again. What runs goes on.
 */
export class OwnerSweep {
  readonly #parts: Parts;
  #cancel: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** In whose term nothing is left to be released. */
  #done: LeaderFence["token"] | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(LOOK_MS, () => {
      this.#round = this.#look().finally(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#round;
  }

  async #look(): Promise<void> {
    const { store, namespace, lead, clock, logger } = this.#parts;
    const term = lead();
    if (!term || term.fence.token === this.#done || clock.now() - term.since < UNWATCHED_MS) return;
    try {
      let released = 0;
      for (let more = 1; more > 0 && !this.#isStopped; released += more)
        more = await store.releaseOthers(namespace, { ...KUBERNETES, lease: term.fence });
      if (!this.#isStopped) this.#done = term.fence.token;
      if (released > 0)
        logger.info({ released }, "objects of namespaces that are not carried out were released to the API");
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "objects could not be released; it is tried again");
    }
  }
}
