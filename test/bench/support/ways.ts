import { quantile } from "../../support/quantile.ts";

/**
 * Who is asked. All answer the same request; `unbatched` is the worker's port with one run for each request, `forwarded`
 * another control plane than the one that holds the worker's session, `baseline` the control plane of another build.
 */
export const WAYS = ["in process", "unbatched", "worker", "nginx", "control plane", "forwarded", "baseline"] as const;
export type Way = (typeof WAYS)[number];

/** What one way did in one round. */
export interface Cell {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU for a request, in µs. */
  readonly cpuUs: { readonly controlPlane: number; readonly worker: number; readonly host: number };
  /** Share of the requests that were answered 429: the worker's queue was full. */
  readonly refused: number;
}

export type Round = ReadonlyMap<Way, Cell>;

const median = (values: readonly (number | undefined)[]): number =>
  quantile(
    values.filter((value) => value !== undefined),
    0.5,
  );

const medianOf = (rounds: readonly Round[], way: Way, read: (cell: Cell) => number): number =>
  median(
    rounds.map((round) => {
      const cell = round.get(way);
      return cell && read(cell);
    }),
  );

/** The median over the rounds of one way's figure as a multiple of another's in the same round. */
function ratio(rounds: readonly Round[], [a, b]: readonly [Way, Way], read: (cell: Cell) => number): string {
  return shown(
    median(
      rounds.map((round) => {
        const [one, other] = [round.get(a), round.get(b)];
        return one && other ? read(one) / read(other) : undefined;
      }),
    ),
  );
}

/** What the control plane adds to the worker's p50, as a multiple of what nginx adds to it. */
function addedLatency(rounds: readonly Round[]): string {
  return shown(
    median(
      rounds.map((round) => {
        const [worker, nginx, control] = [round.get("worker"), round.get("nginx"), round.get("control plane")];
        return worker && nginx && control ? (control.p50 - worker.p50) / (nginx.p50 - worker.p50) : undefined;
      }),
    ),
  );
}

const shown = (value: number): string => (Number.isNaN(value) ? "–" : value.toFixed(2));

/** Prints the medians of each way, and of the ratios that the goals are about. */
export function printRounds(label: string, rounds: readonly Round[]): void {
  for (const way of WAYS.filter((each) => rounds[0]?.has(each))) {
    const of = (read: (cell: Cell) => number): number => medianOf(rounds, way, read);
    const cpu = [of(({ cpuUs }) => cpuUs.controlPlane), of(({ cpuUs }) => cpuUs.worker), of(({ cpuUs }) => cpuUs.host)];
    const refused = of((cell) => cell.refused);
    console.log(
      [
        `  ${label} ${way.padEnd(14)}`,
        `${of(({ perSecond }) => perSecond)
          .toFixed(0)
          .padStart(6)}/s`,
        `p50 ${of(({ p50 }) => p50)
          .toFixed(3)
          .padStart(7)} ms`,
        `p99 ${of(({ p99 }) => p99)
          .toFixed(3)
          .padStart(7)} ms`,
        `CPU ${cpu.map((us) => us.toFixed(0)).join(" + ")} µs`,
        ...(refused > 0 ? [`${(refused * 100).toFixed(0)} % refused`] : []),
      ].join("  "),
    );
  }
  const rate = ({ perSecond }: Cell): number => perSecond;
  const tail = ({ p99 }: Cell): number => p99;
  console.log(
    `  ${label} → rate ${ratio(rounds, ["control plane", "unbatched"], rate)} × unbatched, ${ratio(rounds, ["control plane", "worker"], rate)} × worker, ${ratio(rounds, ["control plane", "nginx"], rate)} × nginx, ${ratio(rounds, ["control plane", "in process"], rate)} × in process; p99 ${ratio(rounds, ["control plane", "worker"], tail)} × worker, ${ratio(rounds, ["control plane", "nginx"], tail)} × nginx; p50 added ${addedLatency(rounds)} × nginx's`,
  );
  if (rounds[0]?.has("forwarded") === true)
    console.log(
      `  ${label} → forwarded ${ratio(rounds, ["forwarded", "control plane"], rate)} × the rate and ${ratio(rounds, ["forwarded", "control plane"], ({ p50 }) => p50)} × the p50 of the control plane that holds the worker`,
    );
  if (rounds[0]?.has("baseline") !== true) return;
  const against = (read: (cell: Cell) => number): string => ratio(rounds, ["control plane", "baseline"], read);
  const cpu = ({ cpuUs }: Cell): number => cpuUs.controlPlane + cpuUs.worker + cpuUs.host;
  console.log(
    `  ${label} ⇒ of the baseline's: rate ${against(rate)}, p50 ${against(({ p50 }) => p50)}, p99 ${against(tail)}, CPU ${against(cpu)}`,
  );
}
