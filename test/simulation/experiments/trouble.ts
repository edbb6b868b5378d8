import { lognormal, withOutliers } from "../engine/chance.ts";
import { answersIn, failedIn, p99 } from "../engine/measure.ts";
import { exactQueues, skerry, weightedRandom, type PolicyOf } from "../engine/policies.ts";
import { simulate, type Outcome, type Setup } from "../engine/simulate.ts";
import type { SimNode } from "../engine/sim-node.ts";
import type { EventQueue } from "../engine/event-queue.ts";
import { capacityOf, EC32 } from "../engine/world.ts";
import { quantile } from "../../support/quantile.ts";
import type { Experiment } from "./experiment.ts";

/** When the trouble begins, in ms. */
const AT = 10_000;
const FIRST_POD = EC32.nodes.findIndex(({ kind }) => kind === "cloud");

const run = (share: number, over: Partial<Setup> & { readonly policy: PolicyOf }): Outcome =>
  simulate({ world: EC32, seed: 1, load: () => share, seconds: 25, ...over });

const podAt =
  (change: (pod: SimNode) => void) =>
  (events: EventQueue, nodes: readonly SimNode[]): void =>
    events.after(AT, () => {
      const pod = nodes[FIRST_POD];
      if (pod) change(pod);
    });

/** Share of the requests sent in the span that went to the first pod, in %. */
function podShare({ sentAt }: Outcome, { from, to }: { from: number; to: number }): number {
  const within = sentAt.map((times) => times.filter((at) => at >= from && at < to).length);
  return (100 * (within[FIRST_POD] ?? 0)) / within.reduce((sum, count) => sum + count, 0);
}

/** Every sixth node or so, edge and cloud alike. */
const SILENT = [0, 5, 10, 15, 20, FIRST_POD];
const FLAPPING = [0, 9, FIRST_POD];

const silence = (events: EventQueue, nodes: readonly SimNode[]): void => {
  const set = (isSilent: boolean): void =>
    SILENT.forEach((index) => nodes[index] && (nodes[index].isSilent = isSilent));
  events.after(AT, () => set(true));
  events.after(AT + 10_000, () => set(false));
};

const flapping = (events: EventQueue, nodes: readonly SimNode[]): void => {
  const those = FLAPPING.flatMap((index) => nodes[index] ?? []);
  const down = (): void => {
    for (const node of those) node.goDown();
    events.after(2_000, () => {
      for (const node of those) node.state = "up";
      events.after(2_000, down);
    });
  };
  events.after(AT, down);
};

const DEADLINE_MS = 250;
const BURST = { from: AT, to: AT + 10_000 };
const overload = (over: Partial<Setup>): Outcome =>
  run(0, {
    policy: skerry(),
    seconds: 40,
    load: (now) => (now >= BURST.from && now < BURST.to ? 2.5 : 0.6),
    deadlineMs: DEADLINE_MS,
    ...over,
  });

/** Answers in time during the burst, in % of what the nodes can do. */
function goodput({ arrivedAt, tookMs }: Outcome): number {
  const inTime = tookMs.filter((ms, index) => {
    const endedAt = (arrivedAt[index] ?? 0) + ms;
    return endedAt >= BURST.from && endedAt < BURST.to;
  });
  return (100 * inTime.length) / (capacityOf(EC32) * 10);
}

/** After how many seconds behind the burst at most 1 % of the requests of a quarter second fail. */
function recovery(outcome: Outcome): number {
  const STEP = 250;
  for (let from = BURST.to; ; from += STEP)
    if (failedIn(outcome, { from, to: from + STEP }) <= 0.01) return (from - BURST.to) / 1_000;
}

const SLOW_RUNS = withOutliers(lognormal(0.8), { share: 0.01, times: 20 });

function hedging(hedges: boolean): { p99: number; p999: number; extraLoadPct: number } {
  const outcome = run(0.4, { policy: skerry(), service: SLOW_RUNS, seconds: 60, hedges });
  const answers = answersIn(outcome, { from: 5_000 });
  const { busyMs, copyMs } = outcome;
  return { p99: p99(answers), p999: quantile(answers, 0.999), extraLoadPct: (100 * copyMs) / (busyMs - copyMs) };
}

export const TROUBLE: Readonly<Record<string, Experiment>> = {
  S4: () => {
    const slow = podAt((pod) => void (pod.slowdown = 10));
    const first = { from: AT, to: AT + 1_000 };
    const later = { from: AT + 1_000, to: AT + 5_000 };
    const ours = run(0.6, { policy: skerry(), faults: slow });
    const bound = run(0.6, { policy: exactQueues(), faults: slow });
    const random = run(0.6, { policy: weightedRandom(), faults: slow });
    return {
      firstSecond: p99(answersIn(ours, first)),
      later: p99(answersIn(ours, later)),
      laterSharePct: podShare(ours, later),
      boundFirst: p99(answersIn(bound, first)),
      boundLater: p99(answersIn(bound, later)),
      randomFirst: p99(answersIn(random, first)),
      randomLater: p99(answersIn(random, later)),
    };
  },
  S5: () => {
    const faults = podAt((pod) => void (pod.state = "erring"));
    const failedPct = (over: Partial<Setup> & { policy: PolicyOf }): number =>
      100 * failedIn(run(0.6, { faults, ...over }), { from: AT });
    return {
      oursPct: failedPct({ policy: skerry() }),
      oursRetryingPct: failedPct({ policy: skerry(), retries: true }),
      weightedRandomPct: failedPct({ policy: weightedRandom() }),
    };
  },
  S6: () => {
    const span = { from: AT, to: AT + 10_000 };
    const over = { faults: silence, retries: true, attemptMs: 1_000, deadlineMs: 10_000, seconds: 35 };
    const ours = run(0.5, { policy: skerry(), ...over });
    const random = run(0.5, { policy: weightedRandom(), ...over });
    return {
      failedPct: 100 * failedIn(ours, span),
      p99: p99(answersIn(ours, span)),
      randomFailedPct: 100 * failedIn(random, span),
      randomP99: p99(answersIn(random, span)),
    };
  },
  S7: () => {
    const over = { faults: flapping, retries: true, seconds: 40 };
    return {
      failedPct: 100 * failedIn(run(0.5, { policy: skerry(), ...over }), { from: AT }),
      withoutRetryPct: 100 * failedIn(run(0.5, { policy: skerry(), ...over, retries: false }), { from: AT }),
      randomPct: 100 * failedIn(run(0.5, { policy: weightedRandom(), ...over }), { from: AT }),
    };
  },
  S8: () => {
    const ours = overload({ retries: true });
    const unbounded = overload({ policy: weightedRandom(), takesAll: true });
    return {
      goodputPct: goodput(ours),
      recoveryS: recovery(ours),
      randomGoodputPct: goodput(unbounded),
      randomRecoveryS: recovery(unbounded),
    };
  },
  S11: () => {
    const without = hedging(false);
    return { ...hedging(true), p99Without: without.p99, p999Without: without.p999 };
  },
};
