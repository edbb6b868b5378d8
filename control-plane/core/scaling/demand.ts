/** What callers ask of one deployment, as one control plane measures it or several do together. */
export interface Demand {
  /** Requests that arrive, per second. */
  readonly ratePerS: number;
  /** Mean time that a request takes a slot of a replica, without waiting, in ms; undefined while none has run. */
  readonly serviceMs: number | undefined;
  /** Requests that are there and have no slot: in the queues of replicas, or waiting for a first replica. */
  readonly waiting: number;
  /** Requests that one replica executes at once. */
  readonly slots: number;
}

/** What one control plane measures of the requests that come to it. */
export interface DemandReport {
  readonly replica: string;
  /** By the name of the deployment; those without demand are not in it. */
  readonly demands: ReadonlyMap<string, Demand>;
  /** Mean round trips to other control planes, by their ids, in ms: those that it is linked to. */
  readonly hops: ReadonlyMap<string, number>;
}

/** What a demand is expected to be, and how long from now. */
export interface Expected {
  readonly demand: Demand;
  readonly inMs: number;
}

export const NO_DEMAND: Demand = { ratePerS: 0, serviceMs: undefined, waiting: 0, slots: 1 };

export const isIdle = ({ ratePerS, waiting }: Demand): boolean => ratePerS === 0 && waiting === 0;

/** The demand on all of them together, by the name of the deployment. */
export function totalDemand(reports: readonly DemandReport[]): ReadonlyMap<string, Demand> {
  const names = new Set(reports.flatMap(({ demands }) => [...demands.keys()]));
  return new Map(
    [...names].map((name) => [name, sumOfDemands(reports.flatMap(({ demands }) => demands.get(name) ?? []))]),
  );
}

/** The demand that several control planes see together: rates add up, service times count by their rates. */
export function sumOfDemands(demands: readonly Demand[]): Demand {
  let ratePerS = 0;
  let waiting = 0;
  let slots = 1;
  let weight = 0;
  let weightedMs = 0;
  for (const demand of demands) {
    ratePerS += demand.ratePerS;
    waiting += demand.waiting;
    slots = Math.max(slots, demand.slots);
    if (demand.serviceMs === undefined) continue;
    // One that only has requests waiting knows the service time too, from what ran before.
    const share = Math.max(demand.ratePerS, 0.001);
    weight += share;
    weightedMs += share * demand.serviceMs;
  }
  return { ratePerS, waiting, slots, serviceMs: weight === 0 ? undefined : weightedMs / weight };
}

/** The same to two significant digits: what differs by less is noise, and is not worth a write. */
export const roundedDemand = ({ ratePerS, serviceMs, waiting, slots }: Demand): Demand => ({
  ratePerS: twoDigits(ratePerS),
  serviceMs: serviceMs === undefined ? undefined : twoDigits(serviceMs),
  waiting: twoDigits(waiting),
  slots,
});

const twoDigits = (value: number): number => Number(value.toPrecision(2));

/** `demand 37/s, service time 12 ms`, with what waits. */
export function demandWords({ ratePerS, serviceMs, waiting }: Demand): string {
  const rate = `demand ${rateWords({ ratePerS })}`;
  const service = serviceMs === undefined ? [] : [`service time ${msWords(serviceMs)}`];
  const queue = waiting < 1 ? [] : [`${Math.round(waiting)} waiting`];
  return [rate, ...service, ...queue].join(", ");
}

/** `37/s`. */
export const rateWords = ({ ratePerS }: Pick<Demand, "ratePerS">): string =>
  `${ratePerS < 10 ? Number(ratePerS.toFixed(1)) : Math.round(ratePerS)}/s`;

const msWords = (ms: number): string => `${ms < 10 ? Number(ms.toPrecision(2)) : Math.round(ms)} ms`;
