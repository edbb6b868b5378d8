import { quantile } from "../../support/quantile.ts";
import { httpLoad, type HttpTarget } from "./http-load.ts";

/** What one server did in one turn. */
export interface Turn {
  /** Answers within the deadline, a second. */
  readonly goodput: number;
  /** Share of the requests whose answer came after the deadline. */
  readonly late: number;
  /** Share of the requests that were refused. */
  readonly refused: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU of all processes of the server for a request, in µs. */
  readonly cpuUs: number;
}

/** 408, 429, 503 and 504: what servers say when a request would wait too long. */
export const REFUSALS = [408, 429, 503, 504];

/** Asks a target `requests` times and counts the answers that came within `deadlineMs`. `cpuMs`: of its processes so far. */
export async function goodputTurn(
  target: HttpTarget,
  options: {
    readonly connections: number;
    readonly requests: number;
    readonly deadlineMs: number;
    readonly cpuMs: () => number;
  },
): Promise<Turn> {
  const { connections, requests, deadlineMs, cpuMs } = options;
  const [cpuBefore, before] = [cpuMs(), performance.now()];
  const { latencies, refused } = await httpLoad(target, { connections, requests, refusals: REFUSALS });
  const seconds = (performance.now() - before) / 1_000;
  const good = latencies.filter((ms) => ms <= deadlineMs).length;
  return {
    goodput: good / seconds,
    late: (latencies.length - good) / requests,
    refused: refused / requests,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    cpuUs: ((cpuMs() - cpuBefore) * 1_000) / requests,
  };
}

/** Prints the medians of each server, and returns them by its name. */
export function printTurns(label: string, rounds: readonly ReadonlyMap<string, Turn>[]): ReadonlyMap<string, Turn> {
  const medians = new Map<string, Turn>();
  for (const name of rounds[0]?.keys() ?? []) {
    const turns = rounds.flatMap((round) => round.get(name) ?? []);
    const of = (read: (turn: Turn) => number): number => quantile(turns.map(read), 0.5);
    const median: Turn = {
      goodput: of(({ goodput }) => goodput),
      late: of(({ late }) => late),
      refused: Math.max(...turns.map(({ refused }) => refused)),
      p50: of(({ p50 }) => p50),
      p99: of(({ p99 }) => p99),
      cpuUs: of(({ cpuUs }) => cpuUs),
    };
    medians.set(name, median);
    const fields = [
      `${median.goodput.toFixed(0).padStart(6)}/s in time`,
      `p50 ${median.p50.toFixed(1).padStart(6)} ms`,
      `p99 ${median.p99.toFixed(1).padStart(6)} ms`,
      `CPU ${median.cpuUs.toFixed(0).padStart(5)} µs`,
      ...(median.late > 0 ? [`${(median.late * 100).toFixed(1)} % late`] : []),
      ...(median.refused > 0 ? [`up to ${(median.refused * 100).toFixed(1)} % refused`] : []),
    ];
    console.log(`  ${label} ${name.padEnd(24)} ${fields.join("  ")}`);
  }
  return medians;
}

/** The median over the rounds of the goodput of `name` as a multiple of the best of `others` in the same round. */
export function timesTheBest(
  rounds: readonly ReadonlyMap<string, Turn>[],
  name: string,
  others: readonly string[],
): number {
  const ratios = rounds.map((round) => {
    const best = Math.max(...others.map((other) => round.get(other)?.goodput ?? 0));
    return (round.get(name)?.goodput ?? 0) / best;
  });
  return quantile(ratios, 0.5);
}
