import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { smollm } from "../support/models/smollm.ts";
import { startTestDatabase } from "../support/postgres/postgres.ts";
import { modelHostsOf } from "../support/processes/process-facts.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";

/**
 * CPU for each generated token, in turns: through `/v1` of a control plane with one node (all of their processes counted),
 * and by node-llama-cpp alone in a process of its own. SmolLM2-135M, 4 bit, one thread, greedy. The goal is 1.10 times.
 *
 *   npm run bench -- generate
 *   ROUNDS=3 npm run bench -- generate
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const TOKENS = 64;
const GOAL = 1.1;
const BARE = path.join(import.meta.dirname, "support/bare-llama.ts");
const WORDS = "The island has a harbour, a pump and a lamp that nobody lights. ";
/** About so many tokens. */
const CONTEXTS = { 45: WORDS.repeat(3), 780: WORDS.repeat(52) };
/** Ticks of a second, as Linux counts the CPU of processes. */
const TICKS = 100;

const { file, bytes } = await smollm();
const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
try {
  const node = await cluster.addNode("edge-a", { env: { SKERRY_TEXT_THREADS: "1" } });
  await cluster.publish("smollm", bytes, { runtime: "gguf" });
  await cluster.deploy({
    name: "smollm",
    model: "smollm",
    version: 1,
    placement: { edge: { min: 1 } },
    limits: { timeoutMs: 60_000 },
  });
  await cluster.whenDeploymentReady("smollm", 120_000);
  const agent = node.process.child.pid ?? 0;
  const pids = [cluster.controlPlane.child.pid ?? 0, agent, ...(await modelHostsOf(agent))];
  for (const [context, prompt] of Object.entries(CONTEXTS)) {
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      theirs.push(await bare(prompt));
      ours.push(await throughSkerry(prompt, pids));
    }
    const [best, alone] = [Math.min(...ours), Math.min(...theirs)];
    const verdict = best / alone <= GOAL ? "met" : "MISSED";
    console.log(
      `${context} tokens of context: ${best.toFixed(2)} ms CPU a token through /v1, ${alone.toFixed(2)} by node-llama-cpp alone: ${(best / alone).toFixed(3)} × (goal ${GOAL}: ${verdict})`,
    );
  }
} finally {
  await cluster.stop();
  await database.stop();
}
process.exit();

async function bare(prompt: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [BARE, file, prompt, String(TOKENS)]);
  return (JSON.parse(stdout) as { msPerToken: number }).msPerToken;
}

/** From the first token on to the last, all processes together. */
async function throughSkerry(prompt: string, pids: readonly number[]): Promise<number> {
  const response = await fetch(`${cluster.url}/v1/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "smollm", prompt, max_tokens: TOKENS, temperature: 0, stream: true }),
  });
  let before: number | undefined;
  for await (const _ of response.body ?? []) before ??= cpuMs(pids);
  return (cpuMs(pids) - (before ?? 0)) / (TOKENS - 1);
}

/** CPU that the processes have used since their start, all threads, in ms. */
function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
    return sum + (1_000 / TICKS) * (Number(fields[11]) + Number(fields[12]));
  }, 0);
}
