import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { DRAIN_MS } from "../../../shared/protocol/limits.ts";
import { hasRoomForAnother, needsRecycling, nextLimitMiB, type HostMemory } from "../../core/host-recycling.ts";
import type { LocalPlacement } from "../../core/placements/local-placement.ts";
import type { ArtifactDisk } from "../../ports/disk.ts";
import type { SystemProbe } from "../../ports/machine.ts";
import type { ModelHost, ModelHosts } from "../../ports/model-hosts.ts";
import type { NodeLog } from "../session/node-log.ts";
import type { HostLimits } from "./host-limits.ts";
import { hostSpecOf } from "./host-spec.ts";
import type { RequestExecutor } from "../inference/request-executor.ts";

const LOOK_MS = 5_000;
/** A new host that grows as fast as the old one, or does not start, must not keep the machine busy with loading. */
const AT_MOST_EVERY_MS = 600_000;

type Placement = LocalPlacement<ModelHost>;

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
  readonly limits: Pick<HostLimits, "within">;
  /** Work that a stopping node waits for. */
  readonly own: (work: Promise<void>) => void;
  /** `host` has replaced the placement's host: its exit matters from now on. */
  readonly onReplaced: (placement: Placement, host: ModelHost) => void;
  /** What is known of the placement's host is something else than before. */
  readonly onMeasured: (placement: Placement) => void;
}

/**
 * Replaces a model host that has come close to its memory limit, or a place in a shared host that the model must leave, while it serves: the new one loads and warms up beside
 * it, then takes the requests that come, and the old one ends when it has answered its own.
 */
export class HostRecycler {
  readonly #parts: Parts;
  readonly #tried = new WeakMap<Placement, Try>();
  /** Replacements under way, until the old host has ended. */
  readonly #replacements = new Map<Placement, AbortController>();
  /** Replaced hosts that still answer the requests that they have. */
  readonly #draining = new Map<Placement, ModelHost>();
  /** One replacement at a time: two would count on the same free memory. */
  #isBusy = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Looks at `host` from time to time, for as long as it is the placement's. `readyMiB`: what it held at first. */
  watch(placement: Placement, host: ModelHost, readyMiB = host.memory().privateMiB): void {
    const { clock, own } = this.#parts;
    const look = (): void => {
      if (placement.host !== host || placement.state !== "ready") return;
      const memory = { ...host.memory(), wantedMiB: placement.spec.limits.memMiB, readyMiB };
      host.reviewWork?.();
      const why = whyElsewhere(placement, host);
      const isDue = why === undefined ? needsRecycling(memory) : true;
      if (isDue && this.#mayReplace(placement, memory)) own(this.#recycle(placement, host, { readyMiB, why }));
      else cancel = clock.after(LOOK_MS, look);
    };
    let cancel = clock.after(LOOK_MS, look);
    void host.exited.then(() => cancel());
  }

  /** The placement's host has ended or is about to: a replacement is given up, and a draining host is stopped after `graceMs`. */
  cancel(placement: Placement, graceMs: number): void {
    this.#replacements.get(placement)?.abort();
    const draining = this.#draining.get(placement);
    if (draining) this.#parts.own(draining.stop(graceMs));
  }

  #mayReplace(placement: Placement, memory: HostMemory): boolean {
    const { clock, probe } = this.#parts;
    const last = this.#tried.get(placement);
    const isRested = last?.limitMiB !== memory.wantedMiB || clock.now() - last.at >= AT_MOST_EVERY_MS;
    return !this.#isBusy && isRested && hasRoomForAnother(memory, probe.memFreeMiB());
  }

  /** `why`: for another reason than its memory. */
  async #recycle(
    placement: Placement,
    old: ModelHost,
    { readyMiB, why }: { readonly readyMiB: number; readonly why: string | undefined },
  ): Promise<void> {
    const { hosts, clock, log, logger } = this.#parts;
    const { placementId, limits } = placement.spec;
    const abort = new AbortController();
    this.#replacements.set(placement, abort);
    this.#isBusy = true;
    this.#tried.set(placement, { at: clock.now(), limitMiB: limits.memMiB });
    try {
      const onMeasured = (): void => this.#parts.onMeasured(placement);
      const spec = await hostSpecOf(placement.spec, { ...this.#parts, onMeasured });
      const given = this.#parts.limits.within(placement, spec, nextLimitOf(placement, old));
      const next = await hosts.start(given, () => undefined, abort.signal);
      if (abort.signal.aborted || placement.host !== old) return await next.stop(0);
      await this.#change(placement, { old, next, abort, why });
    } catch (error) {
      if (abort.signal.aborted) return;
      logger.warn({ placementId, error: messageOf(error) }, "a model host could not be replaced");
      log.add("warn", `${because(placement, old, why)} and could not be replaced: ${messageOf(error)}`);
      this.watch(placement, old, readyMiB);
    } finally {
      this.#isBusy = false;
      if (this.#replacements.get(placement) === abort) this.#replacements.delete(placement);
    }
  }

  /** New requests go to `next`; `old` answers those that it has and ends, at the latest when the placement is stopped. */
  async #change(
    placement: Placement,
    {
      old,
      next,
      abort,
      why,
    }: {
      readonly old: ModelHost;
      readonly next: ModelHost;
      readonly abort: AbortController;
      readonly why: string | undefined;
    },
  ): Promise<void> {
    const { serving, clock, log, onReplaced } = this.#parts;
    const reason = because(placement, old, why);
    const emptied = serving.replace(placement.spec, next);
    this.#draining.set(placement, old);
    placement.hostReplaced(next);
    onReplaced(placement, next);
    log.add("info", `${reason} and was replaced while it served`);
    await Promise.race([emptied, sleep(clock, DRAIN_MS, abort.signal).catch(() => undefined)]);
    const graceMs = abort.signal.aborted ? 0 : DRAIN_MS;
    abort.abort(); // ends the sleep
    if (graceMs > 0) await old.stop(graceMs);
    this.#draining.delete(placement);
  }
}

const nextLimitOf = ({ spec }: Placement, host: ModelHost): number =>
  nextLimitMiB({ ...host.memory(), wantedMiB: spec.limits.memMiB });

/** Why it should serve from another host, whatever its memory. */
function whyElsewhere({ spec }: Placement, host: ModelHost): string | undefined {
  if (host.sharedHost !== undefined && spec.limits.isolation !== "shared")
    return `its deployment asks for a host of its own, and it was in ${host.sharedHost}`;
  return host.whyReplace?.();
}

const because = (placement: Placement, host: ModelHost, why: string | undefined): string =>
  why === undefined
    ? near(placement, host)
    : `the model host of ${placement.spec.model}:${placement.spec.version} had to change (${why})`;

function near(placement: Placement, host: ModelHost): string {
  const { model, version } = placement.spec;
  const { limitMiB, privateMiB } = host.memory();
  const nextMiB = nextLimitOf(placement, host);
  const changed = nextMiB === limitMiB ? "" : ` (${nextMiB === 0 ? "no limit" : `${nextMiB} MiB`} for the next)`;
  return `the model host of ${model}:${version} had come to ${Math.round(privateMiB)} of its ${limitMiB} MiB${changed}`;
}
