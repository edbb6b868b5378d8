import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import { DRAIN_MS } from "../../../shared/protocol/limits.ts";
import { hasRoomForAnother, needsRecycling, nextLimitMiB, type HostMemory } from "../../core/host-recycling.ts";
import type { ArtifactDisk } from "../../ports/disk.ts";
import type { SystemProbe } from "../../ports/machine.ts";
import type { ModelHost, ModelHosts } from "../../ports/model-hosts.ts";
import type { NodeLog } from "../session/node-log.ts";
import type { Held } from "../placements/placements.ts";
import { hostSpecOf } from "./host-spec.ts";
import type { RequestExecutor } from "../inference/request-executor.ts";

const LOOK_MS = 5_000;
/** A new host that is worn as fast as the old one, or does not start, must not keep the machine busy with loading. */
const AT_MOST_EVERY_MS = 600_000;

/** The last try to replace a placement's host, and the limit that the new one was given. */
interface Try {
  readonly at: number;
  readonly limitMiB: number;
}

interface Parts {
  readonly hosts: ModelHosts;
  readonly disk: ArtifactDisk;
  readonly serving: RequestExecutor;
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
 * Replaces a model host that has come close to its memory limit, while it serves: the new one loads and warms up beside
 * it, then takes the requests that come, and the old one ends when it has answered its own.
 */
export class HostRecycler {
  readonly #parts: Parts;
  readonly #tried = new WeakMap<Held, Try>();
  /** Hosts that were replaced and still answer what they have. */
  readonly #leaving = new Map<Held, ModelHost>();
  /** Two at once would count on the same free memory. */
  #isBusy = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Looks at `host` from time to time, for as long as it is the placement's. `readyMiB`: what it held at first. */
  watch(held: Held, host: ModelHost, readyMiB = host.memory().privateMiB): void {
    const { clock, own } = this.#parts;
    const look = (): void => {
      if (held.process !== host || held.state !== "ready") return;
      const memory = { ...host.memory(), wantedMiB: held.spec.limits.memMiB, readyMiB };
      if (this.#isDue(held, memory)) own(this.#renew(held, host, readyMiB));
      else cancel = clock.after(LOOK_MS, look);
    };
    let cancel = clock.after(LOOK_MS, look);
    void host.exited.then(() => cancel());
  }

  /** The placement's process has ended or is about to: a renewal is too late, and a host on its way out gets `graceMs`. */
  cancel(held: Held, graceMs: number): void {
    held.abort?.abort();
    const leaving = this.#leaving.get(held);
    if (leaving) this.#parts.own(leaving.stop(graceMs));
  }

  #isDue(held: Held, memory: HostMemory): boolean {
    const { clock, probe } = this.#parts;
    const last = this.#tried.get(held);
    const isRested = last?.limitMiB !== memory.wantedMiB || clock.now() - last.at >= AT_MOST_EVERY_MS;
    return !this.#isBusy && isRested && needsRecycling(memory) && hasRoomForAnother(memory, probe.memFreeMiB());
  }

  async #renew(held: Held, old: ModelHost, readyMiB: number): Promise<void> {
    const { hosts, clock, log, logger } = this.#parts;
    const { placementId, limits } = held.spec;
    const abort = new AbortController();
    held.abort = abort;
    this.#isBusy = true;
    this.#tried.set(held, { at: clock.now(), limitMiB: limits.memMiB });
    try {
      const spec = await hostSpecOf(held.spec, this.#parts);
      const given = { ...limits, memMiB: nextLimitOf(held, old) };
      const next = await hosts.start({ ...spec, limits: given }, () => undefined, abort.signal);
      if (abort.signal.aborted || held.process !== old) return await next.stop(0);
      await this.#change(held, { old, next, abort });
    } catch (error) {
      if (abort.signal.aborted) return;
      logger.warn({ placementId, error: messageOf(error) }, "a model host near its limit could not be replaced");
      log.add("warn", `${near(held, old)} and could not be replaced: ${messageOf(error)}`);
      this.watch(held, old, readyMiB);
    } finally {
      this.#isBusy = false;
      if (held.abort === abort) held.abort = undefined;
    }
  }

  /** New requests go to `next`; `old` answers those that it has and ends, at the latest when the placement is called off. */
  async #change(
    held: Held,
    { old, next, abort }: { readonly old: ModelHost; readonly next: ModelHost; readonly abort: AbortController },
  ): Promise<void> {
    const { serving, clock, log, adopt } = this.#parts;
    const why = near(held, old);
    const emptied = serving.replace(held.spec, next);
    this.#leaving.set(held, old);
    adopt(held, next);
    log.add("info", `${why} and was replaced while it served`);
    await Promise.race([emptied, sleep(clock, DRAIN_MS, abort.signal).catch(() => undefined)]);
    const graceMs = abort.signal.aborted ? 0 : DRAIN_MS;
    abort.abort(); // ends the sleep
    if (graceMs > 0) await old.stop(graceMs);
    this.#leaving.delete(held);
  }
}

const nextLimitOf = ({ spec }: Held, host: ModelHost): number =>
  nextLimitMiB({ ...host.memory(), wantedMiB: spec.limits.memMiB });

function near(held: Held, host: ModelHost): string {
  const { model, version } = held.spec;
  const { limitMiB, privateMiB } = host.memory();
  const nextMiB = nextLimitOf(held, host);
  const changed = nextMiB === limitMiB ? "" : ` (${nextMiB === 0 ? "no limit" : `${nextMiB} MiB`} for the next)`;
  return `the model host of ${model}:${version} had come to ${Math.round(privateMiB)} of its ${limitMiB} MiB${changed}`;
}
