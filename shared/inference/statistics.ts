/** One answered request, as the statistics extension counts it. Times in ms. */
export interface CountedInference {
  readonly model: string;
  readonly version: string;
  readonly isOk: boolean;
  /** From its arrival to its answer. */
  readonly totalMs: number;
  readonly queueMs: number;
  /** Reading it, the run, and writing the answer. */
  readonly inferMs: number;
  /** When it was answered, in ms since 1970. */
  readonly at: number;
}

interface Duration {
  readonly count: number;
  readonly ns: number;
}

/** One entry of `model_stats`, in the words of the protocol's statistics extension. */
export interface VersionStatistics {
  readonly name: string;
  readonly version: string;
  /** In ms since 1970; 0 before the first. */
  readonly last_inference: number;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: {
    readonly success: Duration;
    readonly fail: Duration;
    readonly queue: Duration;
    readonly compute_input: Duration;
    readonly compute_infer: Duration;
    readonly compute_output: Duration;
  };
}

interface Sums {
  at: number;
  succeeded: number;
  succeededMs: number;
  failed: number;
  failedMs: number;
  queueMs: number;
  inferMs: number;
}

/**
 * Counts what this process has answered, for each version, since it started. Only versions that answered are held, so there
 * are no more entries than versions.
 */
export class InferenceStatistics {
  readonly #byVersion = new Map<string, Sums>();

  add({ model, version, isOk, totalMs, queueMs, inferMs, at }: CountedInference): void {
    const key = `${model}:${version}`;
    const sums = this.#byVersion.get(key) ?? emptySums();
    this.#byVersion.set(key, sums);
    sums.at = at;
    if (isOk) {
      sums.succeeded += 1;
      sums.succeededMs += totalMs;
      sums.queueMs += queueMs;
      sums.inferMs += inferMs;
    } else {
      sums.failed += 1;
      sums.failedMs += totalMs;
    }
  }

  /** Zeros for a version that has answered nothing. */
  of(model: string, version: string): VersionStatistics {
    const sums = this.#byVersion.get(`${model}:${version}`) ?? emptySums();
    const { succeeded, failed } = sums;
    return {
      name: model,
      version,
      last_inference: Math.round(sums.at),
      inference_count: succeeded,
      execution_count: succeeded,
      inference_stats: {
        success: duration(succeeded, sums.succeededMs),
        fail: duration(failed, sums.failedMs),
        queue: duration(succeeded, sums.queueMs),
        compute_input: duration(succeeded, 0), // part of `compute_infer`: the model host tells one figure
        compute_infer: duration(succeeded, sums.inferMs),
        compute_output: duration(succeeded, 0),
      },
    };
  }
}

const emptySums = (): Sums => ({
  at: 0,
  succeeded: 0,
  succeededMs: 0,
  failed: 0,
  failedMs: 0,
  queueMs: 0,
  inferMs: 0,
});

const duration = (count: number, ms: number): Duration => ({ count, ns: Math.round(ms * 1e6) });
