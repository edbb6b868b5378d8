import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { whyAlone } from "../../core/shared-hosts.ts";
import type { HostSpec, ModelHost, ModelHosts } from "../../ports/model-hosts.ts";
import type { SharedHostProcesses } from "../../ports/shared-hosts.ts";
import type { Tried } from "./shared-member.ts";
import { SharedHostPool } from "./shared-host-pool.ts";

interface Parts {
  /** Starts each model in a process of its own. */
  readonly alone: ModelHosts;
  readonly processes: SharedHostProcesses;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Models whose trials, or reasons to run alone, are remembered; the oldest are forgotten. */
const MAX_REMEMBERED = 256;

/**
 * Starts models that may share a process. Each starts in a process of its own first, where what it does in its load and its first
 * runs harms nobody. One that is quick and small then goes to a shared host, which loads it in about the time that its
 * trial took, and the process of the trial ends; any other one keeps that process. What the trial showed is remembered, so a
 * shared host that ended is back without trials. A model that ended a shared host has a process of its own from then on,
 * until the agent starts again.
 */
export class SharedHosts implements ModelHosts {
  readonly #parts: Parts;
  readonly #pool: SharedHostPool;
  /** By the folder of the artifact and what its deployment says of shared runs. */
  readonly #trials = new Map<string, Tried>();
  /** Folders of models that have to run alone, and why. */
  readonly #alone = new Map<string, string>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#pool = new SharedHostPool({ ...parts, onUnfit: (directory, why) => remember(this.#alone, directory, why) });
  }

  async start(
    spec: HostSpec,
    onPhase: (phase: "loading" | "warming") => void,
    signal: AbortSignal,
  ): Promise<ModelHost> {
    const { alone } = this.#parts;
    if (spec.mayShareHost !== true || this.#alone.has(spec.directory)) return alone.start(spec, onPhase, signal);
    const known = this.#trials.get(trialKey(spec));
    const returned = known && (await this.#join(spec, known, signal));
    if (returned !== undefined) return returned;
    let hasRun = true;
    const onWarning: HostSpec["onWarning"] = (reason, message) => {
      if (reason === "WarmRunFailed") hasRun = false;
      spec.onWarning?.(reason, message);
    };
    const trial = await alone.start({ ...spec, onWarning }, onPhase, signal);
    const seen: Tried = { ...triedOf(trial), hasRun };
    const why = this.#alone.get(spec.directory) ?? whyAlone(seen);
    if (why !== undefined) {
      this.#parts.logger.info({ placementId: spec.placementId, why }, "the model keeps a host of its own");
      return trial;
    }
    remember(this.#trials, trialKey(spec), seen);
    const member = await this.#join(spec, seen, signal);
    if (member === undefined) return trial;
    await trial.stop(0);
    return member;
  }

  /** Undefined when the shared host could not take it. */
  async #join(spec: HostSpec, tried: Tried, signal: AbortSignal): Promise<ModelHost | undefined> {
    try {
      return await this.#pool.join(spec, tried, signal);
    } catch (error) {
      const { placementId } = spec;
      this.#parts.logger.warn({ placementId, error: messageOf(error) }, "a shared model host did not take a model");
      return undefined;
    }
  }
}

function remember<Value>(known: Map<string, Value>, key: string, value: Value): void {
  known.delete(key);
  known.set(key, value);
  const [oldest] = known.keys();
  if (known.size > MAX_REMEMBERED && oldest !== undefined) known.delete(oldest);
}

const trialKey = ({ directory, mayShare }: HostSpec): string => `${directory} ${JSON.stringify(mayShare)}`;

const triedOf = ({ inputs, outputs, warmUs, noBatchReason, trial }: ModelHost): Omit<Tried, "hasRun"> => ({
  inputs,
  outputs,
  warmUs,
  noBatchReason,
  ...(trial ?? { addedMiB: undefined, loadCpuMs: undefined, runCpuUs: undefined }),
});
