import { isWanted, placementsOfDeployment } from "../../../fleet/queries.ts";
import type { Fleet, FleetPlacement } from "../../../fleet/types.ts";
import type { PlanContext } from "../../context.ts";
import { reservedMiB } from "../../needs/memory.ts";

/** A replica that is asked for more has to be worth so many times what it takes the place of. */
const TIMES = 1.5;

/** What a replica is worth: the requests that it answers in a second, and for how much memory. */
export interface ReplicaValue {
  readonly ratePerS: number;
  readonly memMiB: number;
}

type Rates = PlanContext["ratesPerS"];

/** The requests for a deployment are shared by `replicas` of it. */
export const valueAmong = (ratesPerS: Rates, deployment: string, replicas: number): number =>
  (ratesPerS?.get(deployment) ?? 0) / Math.max(1, replicas);

/** Of a replica that is there. */
export function valueOf(fleet: Fleet, placement: FleetPlacement, ratesPerS: Rates): ReplicaValue {
  const { deployment = "" } = placement;
  const replicas = placementsOfDeployment(fleet, deployment).filter(isWanted).length;
  return { ratePerS: valueAmong(ratesPerS, deployment, replicas), memMiB: reservedMiB(fleet, placement) };
}

/** Requests in a second for each MiB. */
export const densityOf = ({ ratePerS, memMiB }: ReplicaValue): number => ratePerS / Math.max(1, memMiB);

/** Whether `mine` may take the place of `others`: it is worth one and a half times as much as all of them, and as each one for its memory. */
export function isWorth(mine: ReplicaValue, others: readonly ReplicaValue[]): boolean {
  const sum = others.reduce((total, { ratePerS }) => total + ratePerS, 0);
  if (mine.ratePerS <= 0 || mine.ratePerS < TIMES * sum) return false;
  return others.every((other) => densityOf(mine) >= TIMES * densityOf(other));
}

/** `12/s` with two digits. */
export const rateText = ({ ratePerS }: Pick<ReplicaValue, "ratePerS">): string =>
  `${Number(ratePerS.toPrecision(2))}/s`;
