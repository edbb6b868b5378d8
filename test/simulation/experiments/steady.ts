import { exponential, lognormal } from "../engine/chance.ts";
import { answersIn, answersOf, mean, overSeeds, p99 } from "../engine/measure.ts";
import { exactQueues, skerry, twoChoices, weightedRandom, type PolicyOf } from "../engine/policies.ts";
import { simulate, type Outcome, type Setup } from "../engine/simulate.ts";
import { EC32, HOM30, TEXTBOOK, workshop } from "../engine/world.ts";
import type { Experiment } from "./experiment.ts";

const WARM_UP_MS = 6_000;
const SECONDS = 36;

type Steady = Partial<Omit<Setup, "seed">> & { readonly policy: PolicyOf };

const steady =
  (over: Steady, share: number) =>
  (seed: number): Setup => ({ world: EC32, seed, load: () => share, seconds: SECONDS, ...over });

/** p99 in ms, the mean of three seeds unless others are given. */
const tailOf = ({ seeds, ...over }: Steady & { readonly seeds?: readonly number[] }, share = 0.8): number =>
  overSeeds(steady(over, share), (outcome: Outcome) => p99(answersIn(outcome, { from: WARM_UP_MS })), seeds);

const MEAN_MS = 20;

/** Mean time in the system, in service times. */
const inServiceTimes = (policy: PolicyOf, share: number): number =>
  overSeeds(
    steady({ policy, world: TEXTBOOK, service: exponential(), seconds: 60 }, share),
    (outcome) => mean(answersIn(outcome, { from: 10_000 })) / MEAN_MS,
  );

const atLoad =
  (share: number): Experiment =>
  () => ({
    ours: tailOf({ policy: skerry() }, share),
    bound: tailOf({ policy: exactQueues() }, share),
    argminBound: tailOf({ policy: exactQueues({ argmin: true }) }, share),
    weightedRandom: tailOf({ policy: weightedRandom() }, share),
    twoChoices: tailOf({ policy: twoChoices() }, share),
  });

const withCv =
  (cv: number): Experiment =>
  () => {
    const service = lognormal(cv);
    return { ours: tailOf({ policy: skerry(), service }), bound: tailOf({ policy: exactQueues(), service }) };
  };

/** S15: two routers in the cloud; the bound knows what both have sent. */
const withRouters =
  (share: number): Experiment =>
  () => ({
    ours: tailOf({ policy: skerry(), routers: 2 }, share),
    bound: tailOf({ policy: exactQueues() }, share),
  });

/** S2: what is left when nothing is piggybacked and reports are old. */
const BLIND = { world: HOM30, reportMs: 5_000, piggyback: false };

export const STEADY: Readonly<Record<string, Experiment>> = {
  S0: () => ({
    randomAtHalf: inServiceTimes(weightedRandom(), 0.5),
    randomAtNineTenths: inServiceTimes(weightedRandom(), 0.9),
    twoChoicesAtNineTenths: inServiceTimes(twoChoices(), 0.9),
  }),
  "S1-.5": atLoad(0.5),
  "S1-.7": atLoad(0.7),
  "S1-.8": atLoad(0.8),
  "S1-.9": atLoad(0.9),
  S2: () => ({
    ours: tailOf({ ...BLIND, policy: skerry() }),
    bound: tailOf({ ...BLIND, policy: exactQueues({ argmin: true }) }),
    twoChoices: tailOf({ ...BLIND, policy: twoChoices() }),
  }),
  "S3-reports": () => ({
    "0.2 s": tailOf({ policy: skerry(), reportMs: 200 }),
    "1 s": tailOf({ policy: skerry(), reportMs: 1_000 }),
    "5 s": tailOf({ policy: skerry(), reportMs: 5_000 }),
  }),
  S9: () => {
    const outcomes = [1, 2, 3].map((seed) => simulate(steady({ policy: skerry(), highShare: 0.1 }, 0.95)(seed)));
    const tail = (high: boolean): number =>
      mean(outcomes.map((outcome) => p99(answersOf(outcome, { from: WARM_UP_MS, high }))));
    return { high: tail(true), low: tail(false), fifo: tailOf({ policy: skerry() }, 0.95) };
  },
  "S13-.1": withCv(0.1),
  "S13-.5": withCv(0.5),
  "S13-1": withCv(1),
  "S13-2": withCv(2),
  "S15-.5": withRouters(0.5),
  "S15-.8": withRouters(0.8),
  "S15-.9": withRouters(0.9),
  S18: () => {
    const withThem = { policy: skerry(), world: workshop(10), localLoad: (node: number) => (node < 5 ? 0.7 : 0) };
    const withoutThem = { policy: skerry(), world: workshop(5) };
    return {
      "light, ours": tailOf(withThem, 0.05),
      "light, without them": tailOf(withoutThem, 0.1),
      "half, ours": tailOf(withThem, 0.2),
      "half, without them": tailOf(withoutThem, 0.4),
      "full, ours": tailOf(withThem, 0.4),
      "full, without them": tailOf(withoutThem, 0.8),
    };
  },
};
