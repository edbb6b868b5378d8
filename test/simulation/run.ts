import { POOLS } from "./experiments/pool.ts";
import { AT_SITES } from "./experiments/sites.ts";
import { START } from "./experiments/start.ts";
import { STEADY } from "./experiments/steady.ts";
import { TROUBLE } from "./experiments/trouble.ts";

/**
 * `node test/simulation/run.ts [ID …]`: runs the experiments, or those named, and prints one line of JSON for each.
 * A program of its own: in Jest's sandbox, which looks up every global by name, a run takes many times as long.
 */
const EXPERIMENTS = { ...STEADY, ...TROUBLE, ...START, ...POOLS, ...AT_SITES };
const wanted = process.argv.slice(2);
const unknown = wanted.filter((id) => !Object.hasOwn(EXPERIMENTS, id));
if (unknown.length > 0) throw new RangeError(`no experiment is called ${unknown.join(" or ")}`);
for (const [id, experiment] of Object.entries(EXPERIMENTS)) {
  if (wanted.length > 0 && !wanted.includes(id)) continue;
  const figures = Object.entries(experiment()).map(([name, value]) => [name, Number(value.toPrecision(4))] as const);
  process.stdout.write(`${JSON.stringify({ id, figures: Object.fromEntries(figures) })}\n`);
}
