import type { Clock } from "../../../shared/base/clock.ts";
import { RunStatistics } from "../../core/run-statistics.ts";
import type { HostResponse, HostStream, ModelHost } from "../../ports/model-hosts.ts";

/** How long the runs of one placement take, learned from the answers of its host. */
export class ServiceTimes {
  readonly #host: ModelHost;
  readonly #clock: Clock;
  /** Of runs; of a host that runs several requests at once, of the times until their answers begin. */
  readonly runs: RunStatistics;
  /** Of whole answers, where they begin long before they end. */
  readonly #whole: RunStatistics;
  /** When the last answer came: from there the service time of the next one counts. */
  #lastEndAt = 0;
  /** The answers of the batch in the host, as far as they have come, and when the host was free to begin it. */
  #batchProgress = { freeAt: 0, ms: 0, answers: 0 };

  constructor(host: ModelHost, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
    this.runs = new RunStatistics(host.warmUs / 1_000);
    this.#whole = new RunStatistics(host.warmUs / 1_000);
  }

  /** Mean time of a run for a request, in ms; where answers begin long before they end, until one begins. */
  get meanMs(): number {
    return this.runs.meanMs(this.#clock.now());
  }

  /** Mean time of a whole answer, in ms, where answers begin long before they end. */
  get wholeMeanMs(): number {
    return this.#whole.meanMs(this.#clock.now());
  }

  /** An answer without a length has begun, to a request that the host was given at `startedAt`. `streamEnded` follows. */
  streamBegan(startedAt: number): void {
    if (this.#host.slots === undefined) return;
    const now = this.#clock.now();
    this.runs.add(now - startedAt, 1, now);
  }

  /** The run of an answer without a length goes on until its end. Resolves then. */
  async streamEnded(stream: HostStream): Promise<void> {
    const end = await stream.ended;
    const now = this.#clock.now();
    this.#lastEndAt = now;
    // Not the time that passed: part of that is the reader's.
    const statistics = this.#host.slots === undefined ? this.runs : this.#whole;
    if (end.kind === "complete") statistics.add(end.trailer.computeUs / 1_000, 1, now);
  }

  /**
   * An answer has come, or its head with its length, to a request that the host was given at `startedAt`. Returns how long the
   * request waited in the host for the batch before, in ms.
   */
  answered(startedAt: number, answer: HostResponse): number {
    if (this.#host.slots === undefined) return this.#answeredInBatch(startedAt, answer);
    // What a host of several slots refuses at once tells nothing of its runs.
    if (answer.code === undefined) this.#answeredAlone(startedAt);
    return 0;
  }

  /** A whole answer of a host that runs several requests at once, each by itself. */
  #answeredAlone(startedAt: number): void {
    const now = this.#clock.now();
    this.runs.add(now - startedAt, 1, now);
    this.#whole.add(now - startedAt, 1, now);
  }

  /**
   * The host answers in order, so a batch began when its first request was handed over or when the batch before ended. The
   * answers of a batch come one after the other: the first brings nearly all of its time, the last one closes the sum. An
   * explanation is a batch of its own whose time says nothing about a run: were it counted, the router would avoid the placement.
   */
  #answeredInBatch(startedAt: number, { batchSize: requests, isExplained }: HostResponse): number {
    const now = this.#clock.now();
    const batch = this.#batchProgress;
    if (isExplained === true) {
      this.#lastEndAt = now;
      this.#batchProgress = { freeAt: now, ms: 0, answers: 0 };
      return Math.max(0, batch.freeAt - startedAt);
    }
    batch.ms += now - Math.max(startedAt, this.#lastEndAt);
    batch.answers += 1;
    this.#lastEndAt = now;
    if (batch.answers >= requests) {
      this.runs.add(batch.ms, batch.answers, now);
      this.#batchProgress = { freeAt: now, ms: 0, answers: 0 };
    }
    return Math.max(0, batch.freeAt - startedAt);
  }
}
