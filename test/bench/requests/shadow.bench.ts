import type { Rollout } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { quantile } from "../../support/quantile.ts";
import { digits } from "../support/bench-models.ts";
import { httpLoad, type LoadResult } from "../support/http-load.ts";
import { inferTarget } from "../support/infer-target.ts";

/**
 * What copies of requests cost callers: two deployments of one model on one node, each with two versions of it loaded. One
 * has a shadow rollout, so that requests to it are copied to its second version; for the other one both are loaded by name.
 * They take turns in each round, so that a busy machine slows both; the ratio is taken within the round. Goal: p99 at most 1.05 times.
 */
const { env } = process;
const ROUNDS = Number(env["ROUNDS"] ?? 15);
const REQUESTS = Number(env["REQUESTS"] ?? 2_000);
const CONNECTIONS = Number(env["CONNECTIONS"] ?? 1);
const GOAL = 1.05;

const model = digits();
const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
await cluster.addNode("edge-a");
const placement = { edge: { min: 1 } };
for (const name of ["copied", "plain"]) {
  await cluster.publish(name, model.file);
  await cluster.publish(name, model.file);
  await cluster.deploy({ name, model: name, version: 1, placement, rollout: { strategy: "shadow" } });
  await cluster.whenDeploymentReady(name);
}
await cluster.deploy({ name: "plain-2", model: "plain", version: 2, placement });
await cluster.whenDeploymentReady("plain-2");
const rollout = { strategy: "shadow", bakeSeconds: 86_400 };
await cluster.deploy({ name: "copied", model: "copied", version: 2, placement, rollout });
const phase = (): Promise<Rollout> => cluster.get<Rollout>("/deployments/copied/rollout");
await until("copies are made", async () => (await phase().catch(() => undefined))?.phase === "baking", 60_000);

const load = (name: string, requests = REQUESTS): Promise<LoadResult> =>
  httpLoad(inferTarget(model, { port: cluster.port, key: cluster.adminKey, model: name }), {
    connections: CONNECTIONS,
    requests,
  });
for (const name of ["copied", "plain"]) await load(name, 5_000);
const ratios = { p50: [] as number[], p99: [] as number[] };
for (let round = 0; round < ROUNDS; round += 1) {
  const turns = round % 2 === 0 ? ["copied", "plain"] : ["plain", "copied"];
  const found = new Map<string, readonly number[]>();
  for (const name of turns) found.set(name, (await load(name)).latencies);
  const of = (name: string, at: number): number => quantile(found.get(name) ?? [], at);
  ratios.p50.push(of("copied", 0.5) / of("plain", 0.5));
  ratios.p99.push(of("copied", 0.99) / of("plain", 0.99));
  console.log(
    `round ${round + 1}: p50 ${of("copied", 0.5).toFixed(2)} / ${of("plain", 0.5).toFixed(2)} ms, p99 ${of("copied", 0.99).toFixed(2)} / ${of("plain", 0.99).toFixed(2)} ms (copied / plain)`,
  );
}
const { findings } = await phase();
const p99 = quantile(ratios.p99, 0.5);
console.log(
  `${CONNECTIONS} connection(s), ${ROUNDS} rounds of ${REQUESTS}: with copies p50 ${quantile(ratios.p50, 0.5).toFixed(3)} ×, p99 ${p99.toFixed(3)} × (goal ${GOAL} ×)`,
);
for (const { check, sentence } of findings) console.log(`  ${check}: ${sentence}`);
if (p99 > GOAL) process.exitCode = 1;
await cluster.stop();
await database.stop();
process.exit();
