import { readFileSync } from "node:fs";
import { regressorModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { quantile } from "../../support/quantile.ts";
import { httpLoad } from "../support/http-load.ts";
import { inferTarget } from "../support/infer-target.ts";

/**
 * Small models on one node, first each in a process of its own, then in shared hosts: private memory of all model hosts (pages
 * that no other process has, of smaps_rollup), and the latency of one request at a time to each model in turn, at the
 * node's own address. One node for each, side by side, so that rounds alternate and both see the same machine.
 *
 *   npm run bench -- density
 *   MODELS=10 ROUNDS=3 npm run bench -- density
 */
const MODELS = Number(process.env["MODELS"] ?? 30);
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const FEATURES = 64;
/** Requests to each model in a round. */
const REQUESTS = 100;
const GOALS = { memory: 0.25, p50: 1.1 };

const WAYS = ["dedicated", "shared"] as const;
type Way = (typeof WAYS)[number];

const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
try {
  const nodes = { dedicated: await cluster.addNode("edge-a"), shared: await cluster.addNode("edge-b") };
  const names = Array.from({ length: MODELS }, (_, i) => `small-${i + 1}`);
  for (const [i, name] of names.entries()) {
    await cluster.publish(name, regressorModel({ features: FEATURES, intercept: i }));
    for (const way of WAYS) {
      await cluster.deploy({
        name: `${name}-${way}`,
        model: name,
        version: 1,
        limits: { isolation: way },
        placement: { where: { matchLabels: { name: way === "dedicated" ? "edge-a" : "edge-b" } }, edge: { min: 1 } },
      });
      await cluster.whenDeploymentReady(`${name}-${way}`, 120_000);
    }
  }
  const hostsOf = (way: Way) => modelHostsOf(nodes[way].process.child.pid ?? 0);
  await until("trials have ended", async () => (await hostsOf("shared")).length < MODELS / 4);
  const ask = async (way: Way): Promise<readonly number[]> => {
    const latencies: number[] = [];
    for (const name of names) {
      const model = { name, input: "X", shape: [FEATURES], file: new Uint8Array(0) };
      const target = inferTarget(model, { port: Number(new URL(nodes[way].localUrl).port), key: "" });
      const { latencies: more, refused } = await httpLoad(target, { connections: 1, requests: REQUESTS });
      if (refused > 0) throw new Error(`${refused} requests to ${name} were refused`);
      latencies.push(...more);
    }
    return latencies;
  };
  for (const way of WAYS) await ask(way); // what is compiled and allocated by first requests
  const latencies: Record<Way, number[]> = { dedicated: [], shared: [] };
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const order = round % 2 === 0 ? WAYS : WAYS.toReversed();
    const p50: Record<Way, number> = { dedicated: 0, shared: 0 };
    for (const way of order) {
      const found = await ask(way);
      latencies[way].push(...found);
      p50[way] = quantile(found, 0.5);
    }
    ratios.push(p50.shared / p50.dedicated);
  }
  const memory = {
    dedicated: await privateMiB(await hostsOf("dedicated")),
    shared: await privateMiB(await hostsOf("shared")),
  };
  console.log(
    `${MODELS} models of ${FEATURES} features, each on two nodes; ${ROUNDS} rounds of ${REQUESTS} requests to each model`,
  );
  for (const way of WAYS) {
    const { length } = await hostsOf(way);
    console.log(
      `  ${way.padEnd(9)} ${String(length).padStart(2)} processes  ${memory[way].toFixed(0).padStart(5)} MiB private  p50 ${quantile(latencies[way], 0.5).toFixed(3)} ms  p99 ${quantile(latencies[way], 0.99).toFixed(3)} ms`,
    );
  }
  report("memory", memory.shared / memory.dedicated, GOALS.memory);
  report(`p50 (median of rounds)`, quantile(ratios, 0.5), GOALS.p50);
} finally {
  await cluster.stop();
  await database.stop();
}
process.exit();

function report(what: string, ratio: number, goal: number): void {
  console.log(
    `  ${what}: shared ${ratio.toFixed(2)} × dedicated (goal ≤ ${goal}: ${ratio <= goal ? "met" : "MISSED"})`,
  );
}

/** Pages that only one process has, clean and dirty. */
async function privateMiB(pids: readonly number[]): Promise<number> {
  let kib = 0;
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    for (const [, amount] of text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)) kib += Number(amount);
  }
  return kib / 1_024;
}
