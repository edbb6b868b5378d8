import { seededRandom, type Random } from "../../../shared/base/random.ts";

/** Minutes of each target: ten, or what MINUTES says. */
const MINUTES = Number(process.env["MINUTES"] ?? 10);
/** `SEED=7` for the same inputs again. */
const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e9));
/** No input of this size may cost more time of the processor, in ms: time on the clock says how busy the machine is. */
const HANG_MS = 5_000;
export const PATIENCE_MS = MINUTES * 60_000 + 60_000;

interface Fault {
  readonly run: number;
  readonly what: string;
}

/**
 * Runs `target` with inputs of its own until the minutes are over. Faults are what it throws, and each input that took longer
 * than it may, by the processor's time. The number of a run and SEED make its input again.
 */
export async function fuzz(
  name: string,
  target: (random: Random) => void,
): Promise<{ readonly runs: number; readonly faults: readonly Fault[] }> {
  const end = performance.now() + MINUTES * 60_000;
  const faults: Fault[] = [];
  let runs = 0;
  let slowestMs = 0;
  while (performance.now() < end && faults.length < 10) {
    runs += 1;
    const [startedAt, before] = [performance.now(), process.cpuUsage()];
    try {
      target(seededRandom((SEED + runs) % 2 ** 31));
    } catch (error) {
      faults.push({ run: runs, what: Error.isError(error) ? (error.stack ?? error.message) : String(error) });
    }
    const tookMs = performance.now() - startedAt;
    slowestMs = Math.max(slowestMs, tookMs);
    if (tookMs > HANG_MS) {
      const { user, system } = process.cpuUsage(before);
      const costMs = (user + system) / 1_000;
      if (costMs > HANG_MS) faults.push({ run: runs, what: `cost ${Math.round(costMs)} ms` });
    }
    if (runs % 10_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  process.stdout.write(
    `${name}: ${runs} inputs of seed ${SEED} in ${MINUTES} min, the slowest ${slowestMs.toFixed(1)} ms, ${faults.length} faults\n`,
  );
  return { runs, faults };
}
