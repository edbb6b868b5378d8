import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { smollm } from "../../support/models/text/smollm.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { pythonWith } from "../../support/processes/engines/python-environment.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort } from "../../support/processes/skerry-process.ts";
import { childrenOf, threadsCpuMs } from "../support/cpu-time.ts";
import { startServer } from "../support/peers/peer-server.ts";

/**
 * CPU for each generated token, in turns: through `/v1` of a control plane with one node (all of their processes counted),
 * by node-llama-cpp alone in a process of its own, and through llama.cpp's own server (the package xllamacpp of PyPI).
 * SmolLM2-135M, 4 bit, one thread, greedy. The goal is 1.10 times node-llama-cpp, and less than the server.
 *
 *   npm run bench -- generate
 *   ROUNDS=3 npm run bench -- generate
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const TOKENS = 64;
const GOAL = 1.1;
const BARE = path.join(import.meta.dirname, "../support/bare-llama.ts");
const WORDS = "The island has a harbour, a pump and a lamp that nobody lights. ";
/** About so many tokens. */
const CONTEXTS = { 45: WORDS.repeat(3), 780: WORDS.repeat(52) };
const PEERS = path.join(import.meta.dirname, "../support/peers");

const { file, bytes } = await smollm();
const python = await pythonWith(path.join(PEERS, "requirements-llama.txt"));
const directory = await mkdtemp(path.join(tmpdir(), "skerry-generate-"));
const port = await freePort();
const server = await startServer([python, path.join(PEERS, "llama_server.py"), file, String(port)], {
  port,
  env: {},
  log: path.join(directory, "server.log"),
  readyPath: "/health",
});
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
  const skerry = {
    url: cluster.url,
    key: cluster.adminKey,
    used: () => pids.reduce((sum, pid) => sum + threadsCpuMs(pid), 0),
  };
  const llama = {
    url: `http://127.0.0.1:${port}`,
    key: "none",
    used: () => childrenOf(server.pid).reduce((sum, pid) => sum + threadsCpuMs(pid), 0),
  };
  for (const [context, prompt] of Object.entries(CONTEXTS)) {
    const ours: number[] = [];
    const bares: number[] = [];
    const servers: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      bares.push(await bare(prompt));
      ours.push(await through(skerry, prompt));
      servers.push(await through(llama, prompt));
    }
    const [best, alone, peer] = [Math.min(...ours), Math.min(...bares), Math.min(...servers)];
    const verdict = best / alone <= GOAL ? "met" : "MISSED";
    const beside = best < peer ? "met" : "MISSED";
    console.log(
      `${context} tokens of context: ${best.toFixed(2)} ms CPU a token through /v1, ${alone.toFixed(2)} by node-llama-cpp alone: ${(best / alone).toFixed(3)} × (goal ${GOAL}: ${verdict}); ${peer.toFixed(2)} by llama.cpp's server (goal: less, ${beside})`,
    );
  }
} finally {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
  await cluster.stop();
  await database.stop();
}
process.exit();

async function bare(prompt: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [BARE, file, prompt, String(TOKENS)]);
  return (JSON.parse(stdout) as { msPerToken: number }).msPerToken;
}

interface Asked {
  readonly url: string;
  readonly key: string;
  /** CPU of all its processes so far, in ms. */
  readonly used: () => number;
}

/** From the first token on to the last, all processes together. */
async function through({ url, key, used }: Asked, prompt: string): Promise<number> {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "smollm", prompt, max_tokens: TOKENS, temperature: 0, stream: true }),
  });
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  let before: number | undefined;
  for await (const _ of response.body ?? []) before ??= used();
  return (used() - (before ?? 0)) / (TOKENS - 1);
}
