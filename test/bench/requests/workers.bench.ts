import { setTimeout as sleep } from "node:timers/promises";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { millisecond } from "../support/bench-models.ts";
import { cpuMs } from "../support/cpu-time.ts";
import { type CpuQuota, cpuQuota } from "../support/cpu-quota.ts";
import { httpLoad, type LoadResult } from "../support/http-load.ts";
import { inferTarget } from "../support/infer-target.ts";

/**
 * What a second and a third worker behind one control plane add. On a machine with few cores they would take them from
 * each other, so each worker, with its model hosts, may use a fraction of a core (`SHARE`); needs root and control groups.
 * Goal: each adds ≥ 70 % of what the first one does.
 *
 *   npm run bench -- workers
 */
const WORKERS = 3;
const SHARE = Number(process.env["SHARE"] ?? 0.25);
/** Few, or a worker that its quota has stopped refuses some, and refusing takes from its quota too. */
const CONNECTIONS_EACH = 3;
const REQUESTS = 1_000;
const ROUNDS = 3;
/** The router gives a newcomer its share little by little, whether it is asked or not. */
const NEWCOMER_MS = 30_000;

const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
const quotas: CpuQuota[] = [];
try {
  const model = millisecond();
  await cluster.publish(model.name, model.file);
  const target = inferTarget(model, { port: cluster.port, key: cluster.adminKey });
  const pid = cluster.controlPlane.child.pid ?? 0;
  let first = Number.NaN;
  let before = 0;
  for (let workers = 1; workers <= WORKERS; workers += 1) {
    const quota = cpuQuota(`skerry-bench-${process.pid}-${workers}`, SHARE);
    if (quota === undefined) throw new Error("no control group can be made here: nothing to compare");
    quotas.push(quota);
    const node = await cluster.addNode(`worker-${workers}`, { kind: "cloud" });
    quota.hold(node.process.child.pid ?? 0);
    await cluster.deploy({
      name: model.name,
      model: model.name,
      version: 1,
      placement: { cloud: { min: workers } },
    });
    await until("every worker serves", async () => {
      const placements = await cluster.placements(model.name);
      return placements.filter(({ state }) => state === "ready").length === workers;
    });
    await sleep(NEWCOMER_MS);
    const ask = (): Promise<LoadResult> =>
      httpLoad(target, { connections: CONNECTIONS_EACH * workers, requests: REQUESTS * workers });
    await ask(); // until here V8 compiles
    const rates: number[] = [];
    let refused = 0;
    const cpuBefore = cpuMs(pid);
    for (let round = 0; round < ROUNDS; round += 1) {
      const result = await ask();
      rates.push(result.perSecond);
      refused += result.refused;
    }
    const cpuUs = ((cpuMs(pid) - cpuBefore) * 1_000) / (ROUNDS * REQUESTS * workers);
    const rate = rates.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0;
    if (workers === 1) first = rate;
    const added = (rate - before) / first;
    console.log(
      `${workers} × ${SHARE} core: ${rate.toFixed(0)}/s, adds ${(100 * added).toFixed(0)} % of the first (goal ≥ 70: ${added >= 0.7 ? "met" : "MISSED"}); control plane ${cpuUs.toFixed(0)} µs of CPU a request, ${refused} refused`,
    );
    before = rate;
  }
} finally {
  await cluster.stop();
  for (const quota of quotas) quota.remove();
  await database.stop();
}
process.exit();
