import { ArrivalWindow } from "../../../control-plane/core/scaling/arrival-window.ts";
import { demandIn } from "../../../control-plane/core/scaling/demand-forecast.ts";
import { PeakHold } from "../../../control-plane/core/scaling/peak-hold.ts";
import { RisingRates } from "../../../control-plane/core/scaling/rising-rates.ts";
import { replicasFor } from "../../../control-plane/core/scaling/staffing.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import type { Experiment } from "./experiment.ts";

/** S12, S14: how many pods there are for 200 to 2,000 requests a second. A pod does 267 a second and takes a while to start. */
const SLOTS = 4;
const SERVICE_MS = 15;
const POD_PER_S = (SLOTS * 1_000) / SERVICE_MS;
const TICK_MS = 50;
const SECONDS = 1_200;
const [LOW, HIGH] = [200, 2_000];
/** A request that waits longer in the queue counts as late, in ms. */
const LATE_MS = 200;

type Rate = (seconds: number) => number;
const STEP: Rate = (at) => (at < 300 ? LOW : HIGH);
/** Twenty seconds of much more every minute. */
const SPIKY: Rate = (at) => (at % 60 < 20 ? 1_600 : 600);
const SINE: Rate = (at) => (LOW + HIGH) / 2 - ((HIGH - LOW) / 2) * Math.cos((2 * Math.PI * at) / 200);
/** Pods that a pool may have. */
const MAX_PODS = 20;

/** What a law of scaling sees every second. */
interface Seen {
  readonly now: number;
  readonly pods: number;
  readonly ratePerS: number;
  readonly waiting: number;
  /** Share of the slots that were busy in the last second. */
  readonly busy: number;
}

type Law = () => (seen: Seen) => number;

/**
 * Skerry's: `replicasFor` of the demand that will be when a pod that is asked for now has started, at once, and down to the
 * largest number of the last minute. `startMs`: what starts were measured to take; 0: none has been.
 */
const ours =
  (startMs: number): Law =>
  () => {
    const hold = new PeakHold(60_000);
    const rising = new RisingRates();
    return ({ now, ratePerS, waiting }) => {
      const slope = rising.update(new Map([["", { ratePerS }]]), now).get("") ?? 0;
      const demand = { ratePerS, serviceMs: SERVICE_MS, waiting, slots: SLOTS };
      return hold.add(replicasFor(demandIn(demand, { slope, inMs: startMs })), now);
    };
  };

/** What HorizontalPodAutoscaler does by default: every 15 s, 70 % CPU, 10 % tolerance, twice as many at most, down after 5 minutes. */
const hpaOnCpu: Law = () => {
  const hold = new PeakHold(300_000);
  let [dueAt, asked] = [0, 1];
  return ({ now, pods, busy }) => {
    if (now < dueAt) return asked;
    dueAt = now + 15_000;
    const ratio = busy / 0.7;
    const wanted = Math.abs(ratio - 1) <= 0.1 ? pods : Math.ceil(pods * ratio);
    asked = hold.add(Math.max(1, Math.min(wanted, Math.max(pods + 4, 2 * pods))), now);
    return asked;
  };
};

/** Knative's: 70 % of the slots over a minute; over 6 s while that asks for twice as many. */
const kpa: Law = () => {
  const samples: number[] = [];
  let panicUntil = -Infinity;
  let most = 0;
  return ({ now, pods, waiting, busy }) => {
    samples.push(busy * pods * SLOTS + waiting);
    if (samples.length > 60) samples.shift();
    const meanOf = (of: readonly number[]): number => of.reduce((sum, each) => sum + each, 0) / of.length;
    const target = 0.7 * SLOTS;
    const [stable, panic] = [Math.ceil(meanOf(samples) / target), Math.ceil(meanOf(samples.slice(-6)) / target)];
    if (panic >= 2 * pods) panicUntil = now + 60_000;
    most = now < panicUntil ? Math.max(most, panic, pods) : 0;
    return Math.max(1, now < panicUntil ? most : stable);
  };
};

/** As many as the load of each instant needs, asked for as it comes: no law that does not know the future asks sooner. */
const atOnce =
  (rate: Rate): Law =>
  () =>
  ({ now, waiting }) =>
    Math.ceil((rate(now / 1_000) + waiting) / POD_PER_S);

/** Requests as a fluid with Poisson noise, in steps of 50 ms: share that waits too long, and pods × seconds. */
function run(rate: Rate, law: Law, startMs: number) {
  const random = seededRandom(12);
  const wanted = law();
  const arrivals = new ArrivalWindow();
  let [ready, backlog, late, all, podMs, busyMs] = [2, 0, 0, 0, 0, 0];
  let starting: readonly number[] = [];
  for (let now = 0; now < SECONDS * 1_000; now += TICK_MS) {
    ready += starting.filter((at) => at <= now).length;
    starting = starting.filter((at) => at > now);
    const expected = (rate(now / 1_000) * TICK_MS) / 1_000;
    const noise = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const came = Math.max(0, Math.round(expected + Math.sqrt(expected) * noise));
    for (let request = 0; request < came; request += 1) arrivals.add(now);
    const perMs = (ready * POD_PER_S) / 1_000;
    if (backlog / perMs > LATE_MS) late += came;
    all += came;
    const done = Math.min(backlog + came, perMs * TICK_MS);
    backlog += came - done;
    busyMs += done / perMs;
    podMs += (ready + starting.length) * TICK_MS;
    if (now % 1_000 !== 0) continue;
    const pods = ready + starting.length;
    const seen = { now, pods, ratePerS: arrivals.ratePerS(now), waiting: backlog, busy: Math.min(1, busyMs / 1_000) };
    const count = Math.min(MAX_PODS, Math.max(1, wanted(seen)));
    busyMs = 0;
    if (count > pods) starting = [...starting, ...Array.from({ length: count - pods }, () => now + startMs)];
    for (let over = pods - count; over > 0; over -= 1) {
      if (starting.length > 0) starting = starting.slice(0, -1);
      else if (ready > 1) ready -= 1;
    }
  }
  return { latePct: (100 * late) / all, podSeconds: podMs / 1_000 };
}

const pattern =
  (rate: Rate, startMs = 10_000): Experiment =>
  () => {
    const laws = [ours(startMs), hpaOnCpu, kpa, atOnce(rate), ours(0)];
    const [mine, hpa, knative, bound, flat] = laws.map((law) => run(rate, law, startMs));
    return {
      latePct: mine?.latePct ?? NaN,
      boundPct: bound?.latePct ?? NaN,
      hpaPct: hpa?.latePct ?? NaN,
      kpaPct: knative?.latePct ?? NaN,
      withoutSlopePct: flat?.latePct ?? NaN,
      withoutSlopePodSeconds: flat?.podSeconds ?? NaN,
      podSeconds: mine?.podSeconds ?? NaN,
      hpaPodSeconds: hpa?.podSeconds ?? NaN,
      kpaPodSeconds: knative?.podSeconds ?? NaN,
    };
  };

export const POOLS: Readonly<Record<string, Experiment>> = {
  "S12-step": pattern(STEP),
  "S12-spiky": pattern(SPIKY),
  "S12-sine": pattern(SINE),
  S14: pattern(SINE, 30_000),
};
