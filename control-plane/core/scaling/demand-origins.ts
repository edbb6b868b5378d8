import { hopsOf, type Hops } from "../scheduling/hops.ts";
import type { DemandReport } from "./demand.ts";
import { MeanRates } from "./mean-rates.ts";

/** A hop that is shorter than this is none, in ms. */
const LEAST_MS = 0.1;
/** A hop that differs by less than this share, or by less than a ms, is the same. */
const NOISE_SHARE = 0.2;
const NOISE_MS = 1;

/**
 * Where the requests for each deployment come from, as far as that costs time: which control planes they come to, and how far
 * each of these is from the others. Follows the mean rates of the last minutes (`MeanRates`), so that a burst at one place says
 * little. Remembers the past rates.
 */
export class DemandOrigins {
  #rates = new Map<string, MeanRates>();

  /** By the name of the deployment, at `now` (ms, never less than before); those that no hop costs time are not in it. */
  update(reports: readonly DemandReport[], now: number): ReadonlyMap<string, Hops> {
    const known = new Map(reports.map((report) => [report.replica, report]));
    const kept = new Map<string, MeanRates>();
    const shares: Shares = new Map();
    for (const replica of new Set([...this.#rates.keys(), ...known.keys()])) {
      const rates = this.#rates.get(replica) ?? new MeanRates();
      const means = rates.update(known.get(replica)?.demands ?? new Map(), now);
      if (means.size === 0 && !known.has(replica)) continue;
      kept.set(replica, rates);
      // Of a control plane that is gone nobody knows the way any more: what came to it comes to others.
      if (!known.has(replica)) continue;
      for (const [deployment, ratePerS] of means) addShare(shares, { deployment, replica, ratePerS });
    }
    this.#rates = kept;
    return hopsByDeployment(shares, known);
  }

  /** Forgets the past: another replica leads. */
  reset(): void {
    this.#rates = new Map();
  }
}

/** The same by what is asked for at this moment, for who does not remember the past: a control plane that does not lead. */
export function originsNow(reports: readonly DemandReport[]): ReadonlyMap<string, Hops> {
  const shares: Shares = new Map();
  for (const { replica, demands } of reports)
    for (const [deployment, { ratePerS }] of demands) addShare(shares, { deployment, replica, ratePerS });
  return hopsByDeployment(shares, new Map(reports.map((report) => [report.replica, report])));
}

/** Requests a second, by the deployment and the control plane that they come to. */
type Shares = Map<string, Map<string, number>>;

function addShare(
  shares: Shares,
  { deployment, replica, ratePerS }: { deployment: string; replica: string; ratePerS: number },
): void {
  if (ratePerS === 0) return;
  const byReplica = shares.get(deployment) ?? new Map<string, number>();
  shares.set(deployment, byReplica.set(replica, ratePerS));
}

function hopsByDeployment(shares: Shares, reports: ReadonlyMap<string, DemandReport>): ReadonlyMap<string, Hops> {
  const found = new Map<string, Hops>();
  for (const [deployment, byReplica] of shares) {
    const hops = meanHops(byReplica, reports);
    if (hops) found.set(deployment, hops);
  }
  return found;
}

/** A hop that a control plane has not measured counts as the longest that it has. */
function meanHops(
  ratesPerS: ReadonlyMap<string, number>,
  reports: ReadonlyMap<string, DemandReport>,
): Hops | undefined {
  const all = ratesPerS.values().reduce((sum, rate) => sum + rate, 0);
  const mean = (hopOf: (report: DemandReport) => number): number => {
    let sum = 0;
    for (const [replica, rate] of ratesPerS) {
      const report = reports.get(replica);
      if (report) sum += rate * hopOf(report);
    }
    return sum / all < LEAST_MS ? 0 : twoDigits(sum / all);
  };
  const farthest = ({ hops }: DemandReport): number => Math.max(0, ...hops.values());
  const ids = new Set([...reports.values()].flatMap(({ replica, hops }) => [replica, ...hops.keys()]));
  const toReplica = new Map(
    [...ids].map((id) => [
      id,
      mean((report) => (report.replica === id ? 0 : (report.hops.get(id) ?? farthest(report)))),
    ]),
  );
  return hopsOf(toReplica, mean(farthest));
}

/** Those that were reported last, while none of them has changed by more than noise: else those that were measured, to two digits. */
export function calmHops(
  reported: ReadonlyMap<string, number>,
  measured: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const isSame =
    reported.size === measured.size &&
    measured.entries().every(([id, ms]) => Math.abs(ms - (reported.get(id) ?? Infinity)) < noiseOf(reported.get(id)));
  return isSame ? reported : new Map([...measured].map(([id, ms]) => [id, twoDigits(ms)]));
}

const noiseOf = (ms = 0): number => Math.max(NOISE_MS, NOISE_SHARE * ms);

const twoDigits = (value: number): number => Number(value.toPrecision(2));
