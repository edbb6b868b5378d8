import { Counter, type CounterConfiguration, type Histogram } from "prom-client";

/** Observations that are handed over at once. */
const AT_ONCE = 64;

/**
 * In front of a series of prom-client, on the way of every inference. An observation costs it 0.25 µs while its code is
 * warm, and over 1 µs once a request, in between everything else: with three of them and three counters, metrics were 9 %
 * of the CPU of a control plane. To be flushed before prom-client is asked.
 */
export class Observations {
  readonly #series: Pick<Histogram.Internal<string>, "observe">;
  readonly #values = new Float64Array(AT_ONCE);
  #count = 0;

  constructor(series: Pick<Histogram.Internal<string>, "observe">) {
    this.#series = series;
  }

  add(value: number): void {
    this.#values[this.#count] = value;
    this.#count += 1;
    if (this.#count === AT_ONCE) this.flush();
  }

  flush(): void {
    for (const value of this.#values.subarray(0, this.#count)) this.#series.observe(value);
    this.#count = 0;
  }
}

type Branch = Map<string, Branch | number>;

/** A counter of prom-client whose counts are added when the metrics are read, for the same reason. */
export class Tally<Label extends string> {
  readonly #counter: Counter<Label>;
  readonly #counts: Branch = new Map();

  constructor(configuration: CounterConfiguration<Label>) {
    this.#counter = new Counter(configuration);
  }

  /** Once more, with these values of the labels in their order. */
  add(...values: readonly string[]): void {
    let branch = this.#counts;
    const last = values.length - 1;
    for (let at = 0; at < last; at += 1) {
      const value = values[at] as string;
      let next = branch.get(value) as Branch | undefined;
      if (next === undefined) branch.set(value, (next = new Map()));
      branch = next;
    }
    const value = values[last] as string;
    branch.set(value, ((branch.get(value) as number | undefined) ?? 0) + 1);
  }

  flush(): void {
    this.#flushBranch(this.#counts, []);
  }

  #flushBranch(branch: Branch, values: readonly string[]): void {
    for (const [value, below] of branch) {
      if (typeof below !== "number") {
        this.#flushBranch(below, [...values, value]);
      } else if (below > 0) {
        this.#counter.labels(...values, value).inc(below);
        branch.set(value, 0);
      }
    }
  }
}
