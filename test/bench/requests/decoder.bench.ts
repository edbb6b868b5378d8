import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { text as textOf } from "node:stream/consumers";
import { promisify } from "node:util";
import { DecoderTokenizer } from "../../../edge-node/model-host/generate/decoder-tokenizer.ts";
import { smollm } from "../../support/models/text/smollm.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { pythonWith } from "../../support/processes/engines/python-environment.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { threadsCpuMs } from "../support/cpu-time.ts";

/**
 * CPU for each token of a decoder in ONNX, in turns: through `/v1` of a control plane with one node (all of their processes
 * counted), and by Python's onnxruntime with the graph as it was exported. Then tokens for each CPU second of eight streams at
 * once against one after the other. SmolLM2-135M, 4 bit, one thread, greedy.
 *
 *   npm run bench -- decoder
 *   ROUNDS=3 npm run bench -- decoder
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const TOKENS = 48;
const STREAMS = 8;
const GOAL = 1.15;
const STREAMS_GOAL = 2.3;
const PATIENT = { "skerry-timeout-ms": "60000" };
const STREAM = { stream: true, stream_options: { include_usage: true } };
const WORDS = "The island has a harbour, a pump and a lamp that nobody lights. ";
/** About so many tokens. */
const CONTEXTS = { 45: WORDS.repeat(3), 780: WORDS.repeat(52) };
const EXAMPLE = path.join(import.meta.dirname, "../../../examples/chat");
const SCRIPT = path.join(import.meta.dirname, "../../large-models/greedy_onnx.py");

const python = await pythonWith(path.join(import.meta.dirname, "../../large-models/requirements-decoder.txt"));
const folder = path.join(path.dirname((await smollm()).file), "..");
const onnx = path.join(folder, "smollm-onnx");
const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
try {
  const node = await cluster.addNode("edge-a", { env: { SKERRY_TEXT_THREADS: "1" } });
  const env = { ...process.env, SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey, PYTHON: python };
  await promisify(execFile)(path.join(EXAMPLE, "start-onnx.sh"), [folder], { cwd: path.join(EXAMPLE, "../.."), env });
  const agent = node.process.child.pid ?? 0;
  const pids = [cluster.controlPlane.child.pid ?? 0, agent, ...(await modelHostsOf(agent))];
  const used = (): number => pids.reduce((sum, pid) => sum + threadsCpuMs(pid), 0);
  const object = (name: string): object => JSON.parse(readFileSync(path.join(onnx, name), "utf8")) as object;
  const words = new DecoderTokenizer(object("tokenizer.json"), object("tokenizer_config.json"));
  for (const [context, prompt] of Object.entries(CONTEXTS)) {
    const tokens = words.tokenize(prompt, { hasSpecials: false });
    const [ours, bare]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round += 1) {
      bare.push(await byPython(tokens));
      ours.push(await through(prompt, used));
    }
    const [best, alone] = [Math.min(...ours), Math.min(...bare)];
    console.log(
      `${context} tokens of context: ${best.toFixed(2)} ms CPU a token through /v1, ${alone.toFixed(2)} by Python's onnxruntime: ${(best / alone).toFixed(3)} × (goal ${GOAL}: ${verdict(best / alone <= GOAL)})`,
    );
  }
  const [apart, together]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const names = Array.from({ length: STREAMS }, (_, at) => `In round ${round} the ship number ${at} was called`);
    const before = used();
    for (const name of names) await through(name, used);
    const between = used();
    await Promise.all(names.map((name) => through(`${name} and`, used)));
    apart.push((between - before) / STREAMS / TOKENS);
    together.push((used() - between) / STREAMS / TOKENS);
  }
  const [one, eight] = [Math.min(...apart), Math.min(...together)];
  console.log(
    `${STREAMS} streams at once: ${eight.toFixed(2)} ms CPU a token, one after the other ${one.toFixed(2)}: ${(one / eight).toFixed(2)} × the tokens of a CPU second (goal ${STREAMS_GOAL}: ${verdict(one / eight >= STREAMS_GOAL)})`,
  );
} finally {
  await cluster.stop();
  await database.stop();
}
process.exit();

function verdict(isMet: boolean): string {
  return isMet ? "met" : "MISSED";
}

async function byPython(tokens: readonly number[]): Promise<number> {
  const greedy = spawn(python, [SCRIPT, onnx, String(TOKENS)], { stdio: ["pipe", "pipe", "inherit"] });
  greedy.stdin.end(JSON.stringify([tokens]));
  return (JSON.parse(await textOf(greedy.stdout)) as { msPerToken: number }).msPerToken;
}

/** From the first token on to the last, all processes together. */
async function through(prompt: string, used: () => number): Promise<number> {
  const response = await fetch(`${cluster.url}/v1/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json", ...PATIENT },
    body: JSON.stringify({ model: "smollm-onnx", prompt, max_tokens: TOKENS, temperature: 0, ...STREAM }),
  });
  if (response.status !== 200) throw new Error(`the answer is ${response.status}: ${await response.text()}`);
  let before: number | undefined;
  let said = "";
  for await (const piece of response.body ?? []) {
    before ??= used();
    said += Buffer.from(piece as Uint8Array).toString("utf8");
  }
  const tokens = Number(/"completion_tokens":\s*(\d+)/.exec(said)?.[1] ?? 0);
  return (used() - (before ?? 0)) / Math.max(1, tokens - 1);
}
