import { sleep, type Clock } from "../../shared/clock.ts";
import { messageOf } from "../../shared/errors.ts";
import type { Logger } from "../../shared/logger.ts";
import { hasRoomForAnother, isWorn } from "../core/host-wear.ts";
import type { ArtifactDisk, ModelHost, ModelHosts, SystemProbe } from "../ports.ts";
import type { NodeLog } from "./node-log.ts";
import type { Held } from "./placements.ts";
import type { Serving } from "./serving.ts";

const LOOK_MS = 5_000;
/** A model whose new host is worn as fast as the old one must not keep the machine busy with loading. */
const AT_MOST_EVERY_MS = 600_000;
/** How long the requests of the old host may take to end. */
const FAREWELL_MS = 25_000;

interface Parts {
  readonly hosts: ModelHosts;
  readonly disk: ArtifactDisk;
  readonly serving: Serving;
  readonly probe: Pick<SystemProbe, "memFreeMiB">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: NodeLog;
  /** Work that a stopping node waits for. */
  readonly own: (work: Promise<void>) => void;
  /** The placement's process is `host` from now on. */
  readonly adopt: (held: Held, host: ModelHost) => void;
}

/**
 * Replaces a model host that has grown close to its memory limit, while it serves: the new one loads and warms up beside
 * it, then takes the requests that come, and the old one ends when it has answered those that it has.
 */
export class HostRenewal {
  readonly #parts: Parts;
  readonly #renewedAt = new WeakMap<Held, number>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Looks at `host` from time to time, for as long as it is the placement's. */
  watch(held: Held, host: ModelHost, readyMiB = host.ownMiB()): void {
    const { clock, own } = this.#parts;
    const look = (): void => {
      if (held.process !== host || held.host !== "running") return;
      if (this.#isDue(held, { readyMiB, ownMiB: host.ownMiB() })) own(this.#renew(held, host, readyMiB));
      else cancel = clock.after(LOOK_MS, look);
    };
    let cancel = clock.after(LOOK_MS, look);
    void host.exited.then(() => cancel());
  }

  #isDue(held: Held, { readyMiB, ownMiB }: { readonly readyMiB: number; readonly ownMiB: number }): boolean {
    const { clock, probe } = this.#parts;
    const memory = { limitMiB: held.spec.limits.memMiB, readyMiB, ownMiB };
    const isRested = clock.now() - (this.#renewedAt.get(held) ?? -Infinity) >= AT_MOST_EVERY_MS;
    return isRested && isWorn(memory) && hasRoomForAnother(memory, probe.memFreeMiB());
  }

  async #renew(held: Held, old: ModelHost, readyMiB: number): Promise<void> {
    const { hosts, disk, serving, clock, logger, log, adopt } = this.#parts;
    const { placementId, model, version, artifact, limits } = held.spec;
    const grown = `${Math.round(old.ownMiB())} of its ${limits.memMiB} MiB`;
    this.#renewedAt.set(held, clock.now());
    const abort = new AbortController();
    held.abort = abort;
    try {
      const spec = { placementId, model, version, directory: disk.directory(artifact), limits };
      const next = await hosts.start(spec, () => undefined, abort.signal);
      if (abort.signal.aborted || held.process !== old) return await next.stop(0);
      const emptied = serving.replace(held.spec, next);
      adopt(held, next);
      const waiting = new AbortController();
      const late = sleep(clock, FAREWELL_MS, waiting.signal).catch(() => undefined);
      await Promise.race([emptied, late]);
      waiting.abort();
      await old.stop(FAREWELL_MS);
      log.add(
        "info",
        `the model host of ${model}:${version} had grown to ${grown} and was replaced; no request was lost`,
      );
    } catch (error) {
      if (abort.signal.aborted) return;
      logger.warn({ placementId, error: messageOf(error) }, "a model host near its limit could not be replaced");
      this.watch(held, old, readyMiB);
    } finally {
      if (held.abort === abort) held.abort = undefined;
    }
  }
}
