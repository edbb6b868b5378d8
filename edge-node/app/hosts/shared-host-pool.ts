import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { chooseHost, MAX_SHARES_MIB, nameOfNext, SHARED_BASE_MIB, shareMiB } from "../../core/shared-hosts.ts";
import { CRASH_WINDOW_MS, MAX_CRASHES } from "../../core/placements/restart-policy.ts";
import type { HostSpec, ModelHost } from "../../ports/model-hosts.ts";
import type { SharedHostExit, SharedHostProcess, SharedHostProcesses } from "../../ports/shared-hosts.ts";
import { SharedHost } from "./shared-host.ts";
import type { Tried } from "./shared-member.ts";

interface Parts {
  readonly processes: SharedHostProcesses;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A model has to have a process of its own from now on. */
  readonly onUnfit: (directory: string, why: string) => void;
}

/** The shared hosts of a node. */
export class SharedHostPool {
  readonly #parts: Parts;
  readonly #hosts = new Map<string, SharedHost>();
  /** When hosts ended of which nobody knows why. */
  #unexplained: readonly number[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Loads a model into the host with most models that has room, or into a new one. Throws `HostFailure`. */
  join(spec: HostSpec, tried: Tried, signal: AbortSignal): Promise<ModelHost> {
    const views = [...this.#hosts.values()].map(({ view }) => view);
    const name = chooseHost(shareMiB(tried.addedMiB ?? 0), views);
    const host = (name === undefined ? undefined : this.#hosts.get(name)) ?? this.#open();
    return host.load(spec, tried, signal);
  }

  #open(): SharedHost {
    const { processes, clock, onUnfit } = this.#parts;
    const name = nameOfNext(new Set(this.#hosts.keys()));
    const process = processes.open(SHARED_BASE_MIB + MAX_SHARES_MIB);
    const forget = (): void => {
      if (this.#hosts.get(name) === host) this.#hosts.delete(name);
    };
    const onEmpty = (graceMs: number): Promise<void> => {
      forget();
      return process.then((running) => running.stop(graceMs)).catch(() => undefined);
    };
    const host: SharedHost = new SharedHost({ name, process, clock, onEmpty, onUnfit });
    this.#hosts.set(name, host);
    void process.then(
      (running: SharedHostProcess) => running.exited.then((exit) => this.#ended(name, host, exit)),
      forget, // its models' loads fail
    );
    return host;
  }

  #ended(name: string, host: SharedHost, exit: SharedHostExit): void {
    const { logger, clock, onUnfit } = this.#parts;
    if (this.#hosts.get(name) === host) this.#hosts.delete(name);
    const models = host.members.map(({ spec }) => nameOf(spec));
    if (models.length === 0) return; // it was stopped
    const endedBy = exit.endedBy === undefined ? undefined : host.memberAt(exit.endedBy)?.spec;
    if (endedBy !== undefined) onUnfit(endedBy.directory, exit.reason);
    const now = clock.now();
    const known = this.#unexplained.filter((at) => now - at < CRASH_WINDOW_MS);
    this.#unexplained = endedBy === undefined ? [...known, now] : known;
    const mayReturn = endedBy !== undefined || this.#unexplained.length < MAX_CRASHES;
    const sentence = sentenceOf(name, { models, reason: exit.reason, endedBy: endedBy && nameOf(endedBy) });
    logger.warn(
      { host: name, models, endedBy: endedBy && nameOf(endedBy), reason: exit.reason },
      "a shared host ended",
    );
    host.ended(exit, { mayReturn, sentence });
  }
}

const nameOf = ({ model, version }: Pick<HostSpec, "model" | "version">): string => `${model}:${version}`;

/** The endedBy model first: a long list may be cut. */
function sentenceOf(
  host: string,
  {
    models,
    reason,
    endedBy,
  }: { readonly models: readonly string[]; readonly reason: string; readonly endedBy: string | undefined },
): string {
  const who =
    endedBy === undefined ? "none of its models did it" : `${endedBy} ran then and has a host of its own from now on`;
  return `the shared model host ${host} ended: ${reason}; ${who}. Started again: ${models.join(", ")}`;
}
