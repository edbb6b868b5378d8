import { MeanRates } from "../../../control-plane/core/scaling/mean-rates.ts";
import {
  densityOf,
  isWorth,
  type ReplicaValue,
} from "../../../control-plane/core/scheduling/planning/preemption/replica-value.ts";
import { seededRandom, type Random } from "../../../shared/base/random.ts";
import { lognormal } from "../engine/chance.ts";
import { mean } from "../engine/measure.ts";
import type { Experiment } from "./experiment.ts";

/**
 * S10: which of 1,000 models are at a site of 16 GiB. A request for a model that is there is a hit. Sites do not differ, and
 * share nothing, so two stand for ten.
 */
const SITES = 2;
const MODELS = 1_000;
const SITE_MIB = 16 * 1_024;
const MEAN_MIB = 200;
const RATE_PER_S = 100;
const HOURS = 2;
const WARM_UP_S = 3_600;
/** Every minute so many pairs of models change places in the order of popularity. */
const DRIFT = 2;
const STEP_S = 30;
/** A replica stays so long at least. */
const STAY_S = 600;

interface Site {
  readonly sizes: Float64Array;
  /** Requests in a second for each model, now. */
  readonly rates: Float64Array;
  readonly drift: () => void;
  readonly draw: () => number;
}

function siteOf(zipf: number, random: Random): Site {
  const size = lognormal(1.2);
  const sizes = Float64Array.from({ length: MODELS }, () => Math.max(1, Math.min(SITE_MIB, MEAN_MIB * size(random))));
  const weights = Float64Array.from({ length: MODELS }, (_, rank) => 1 / (rank + 1) ** zipf);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const upTo = new Float64Array(MODELS);
  let total = 0;
  for (let rank = 0; rank < MODELS; rank += 1) upTo[rank] = total += (weights[rank] ?? 0) / sum;
  const atRank = Array.from({ length: MODELS }, (_, model) => model);
  for (let at = MODELS - 1; at > 0; at -= 1) swap(atRank, at, Math.floor(random.next() * (at + 1)));
  const rates = new Float64Array(MODELS);
  const setRates = (): void => {
    for (const [rank, model] of atRank.entries()) rates[model] = (RATE_PER_S * (weights[rank] ?? 0)) / sum;
  };
  setRates();
  return {
    sizes,
    rates,
    drift() {
      for (let pair = 0; pair < DRIFT; pair += 1)
        swap(atRank, Math.floor(random.next() * MODELS), Math.floor(random.next() * MODELS));
      setRates();
    },
    draw() {
      const value = random.next();
      let [low, high] = [0, MODELS - 1];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((upTo[middle] ?? 1) > value) high = middle;
        else low = middle + 1;
      }
      return atRank[low] ?? 0;
    },
  };
}

function swap(items: number[], one: number, other: number): void {
  const kept = items[one] ?? 0;
  items[one] = items[other] ?? 0;
  items[other] = kept;
}

/** What is at a site, and what was brought there. */
interface Shelf {
  readonly has: (model: number) => boolean;
  readonly asked: (model: number, nowS: number) => void;
  readonly step: (nowS: number) => void;
  readonly broughtMiB: () => number;
}

/** The least recently used makes room for every model that is asked for. */
function leastRecentlyUsed({ sizes }: Site): Shelf {
  const there = new Set<number>(); // in the order of use
  let [usedMiB, broughtMiB] = [0, 0];
  return {
    has: (model) => there.has(model),
    asked(model) {
      const sizeMiB = sizes[model] ?? 0;
      if (there.delete(model)) return void there.add(model);
      broughtMiB += sizeMiB;
      for (const oldest of there) {
        if (usedMiB + sizeMiB <= SITE_MIB) break;
        there.delete(oldest);
        usedMiB -= sizes[oldest] ?? 0;
      }
      there.add(model);
      usedMiB += sizeMiB;
    },
    step: () => undefined,
    broughtMiB: () => broughtMiB,
  };
}

/** The rules of `makeRoom`: mean rates, 1.5 times the value of all that leave and the density of each, and a stay of 10 minutes. */
function byDensity({ sizes }: Site): Shelf {
  const since = new Map<number, number>();
  const counts = new Map<string, number>();
  const means = new MeanRates();
  means.update(new Map(), 0);
  let [usedMiB, broughtMiB] = [0, 0];
  let values: ReadonlyMap<string, number> = new Map();
  const valueOf = (model: number): ReplicaValue => ({
    ratePerS: values.get(String(model)) ?? 0,
    memMiB: sizes[model] ?? 0,
  });
  const bring = (model: number, victims: readonly number[], nowS: number): void => {
    for (const victim of victims) {
      since.delete(victim);
      usedMiB -= sizes[victim] ?? 0;
    }
    since.set(model, nowS);
    usedMiB += sizes[model] ?? 0;
    broughtMiB += sizes[model] ?? 0;
  };
  /** The least dense that give enough room; undefined: they do not, or are worth too much. */
  const victimsFor = (mine: ReplicaValue, order: readonly number[]): readonly number[] | undefined => {
    const victims: number[] = [];
    let freeMiB = SITE_MIB - usedMiB;
    for (const victim of order) {
      if (freeMiB >= mine.memMiB) break;
      if (!since.has(victim)) continue;
      victims.push(victim);
      freeMiB += sizes[victim] ?? 0;
    }
    return freeMiB >= mine.memMiB && isWorth(mine, victims.map(valueOf)) ? victims : undefined;
  };
  return {
    has: (model) => since.has(model),
    asked: (model) => void counts.set(String(model), (counts.get(String(model)) ?? 0) + 1),
    step(nowS) {
      const measured = new Map([...counts].map(([model, count]) => [model, { ratePerS: count / STEP_S }]));
      counts.clear();
      values = means.update(measured, nowS * 1_000);
      const order = [...since.keys()]
        .filter((model) => nowS - (since.get(model) ?? 0) >= STAY_S)
        .toSorted((a, b) => densityOf(valueOf(a)) - densityOf(valueOf(b)));
      const wanting = [...values.keys()]
        .map(Number)
        .filter((model) => !since.has(model))
        .toSorted((a, b) => densityOf(valueOf(b)) - densityOf(valueOf(a)));
      for (const model of wanting) {
        const victims = victimsFor(valueOf(model), order);
        if (victims) bring(model, victims, nowS);
      }
    },
    broughtMiB: () => broughtMiB,
  };
}

/** The share of requests that models hit which are chosen with every rate known, and brought there at once. */
function knapsack({ sizes, rates }: Site): number {
  const order = Array.from(sizes.keys()).toSorted(
    (a, b) => (rates[b] ?? 0) / (sizes[b] ?? 1) - (rates[a] ?? 0) / (sizes[a] ?? 1),
  );
  let [freeMiB, hit] = [SITE_MIB, 0];
  for (const model of order) {
    const sizeMiB = sizes[model] ?? 0;
    if (sizeMiB > freeMiB) continue;
    freeMiB -= sizeMiB;
    hit += rates[model] ?? 0;
  }
  return hit / RATE_PER_S;
}

function run(zipf: number, seed: number) {
  const random = seededRandom(seed);
  const site = siteOf(zipf, random);
  const [ours, lru] = [byDensity(site), leastRecentlyUsed(site)];
  const hits = { ours: 0, lru: 0, all: 0 };
  const before = { ours: 0, lru: 0 };
  const bounds: number[] = [];
  for (let nowS = 0; nowS < HOURS * 3_600; nowS += 1) {
    const isMeasured = nowS >= WARM_UP_S;
    if (nowS === WARM_UP_S) [before.ours, before.lru] = [ours.broughtMiB(), lru.broughtMiB()];
    if (nowS % 60 === 0) site.drift();
    if (nowS % STEP_S === 0 && nowS > 0) ours.step(nowS);
    if (isMeasured && nowS % 600 === 0) bounds.push(knapsack(site));
    for (let request = 0; request < RATE_PER_S; request += 1) {
      const model = site.draw();
      if (isMeasured) {
        hits.all += 1;
        if (ours.has(model)) hits.ours += 1;
        if (lru.has(model)) hits.lru += 1;
      }
      ours.asked(model, nowS);
      lru.asked(model, nowS);
    }
  }
  const perThousand = (shelf: Shelf, startMiB: number): number =>
    ((shelf.broughtMiB() - startMiB) / 1_024 / hits.all) * 1_000;
  return {
    hitPct: (100 * hits.ours) / hits.all,
    lruHitPct: (100 * hits.lru) / hits.all,
    boundPct: 100 * mean(bounds),
    gibPer1000: perThousand(ours, before.ours),
    lruGibPer1000: perThousand(lru, before.lru),
  };
}

const atZipf =
  (zipf: number): Experiment =>
  () => {
    const all = Array.from({ length: SITES }, (_, site) => run(zipf, 100 + site));
    const of = (read: (each: ReturnType<typeof run>) => number): number => mean(all.map(read));
    return {
      hitPct: of(({ hitPct }) => hitPct),
      boundPct: of(({ boundPct }) => boundPct),
      lruHitPct: of(({ lruHitPct }) => lruHitPct),
      gibPer1000: of(({ gibPer1000 }) => gibPer1000),
      lruGibPer1000: of(({ lruGibPer1000 }) => lruGibPer1000),
    };
  };

export const AT_SITES: Readonly<Record<string, Experiment>> = {
  "S10-.8": atZipf(0.8),
  "S10-1": atZipf(1),
  "S10-1.2": atZipf(1.2),
};
