import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { smollm } from "../../support/models/text/smollm.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { LlamaServer } from "../../support/processes/engines/llama-server.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, until } from "../../support/processes/skerry-process.ts";
import { quantile } from "../../support/quantile.ts";
import { threadsCpuMs } from "../support/cpu-time.ts";

/**
 * What control plane and node add to an engine's own port: llama.cpp's server (the package xllamacpp of PyPI) with
 * SmolLM2-135M, 4 bit and one thread, asked in turns at its port, through two processes that only pass on, and through Skerry.
 * Goals: the first token 3 ms later at the median, 60 µs of CPU for each forwarded token, 0.95 times the tokens a second; and its slot free within 100 ms of the
 * end of a caller who hangs up, streaming or not.
 *
 *   npm run bench -- engines
 *   ROUNDS=3 CALLERS=100 npm run bench -- engines
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const CALLERS = Number(process.env["CALLERS"] ?? 200);
const SLOTS = 2;
const TOKENS = 192;
/** Requests in each round of which the first token is timed. */
const FIRST_TOKENS = 20;
/** More than one: the end of an answer, which takes its own time, does not come with its first token. */
const FEW_TOKENS = 4;
const GOALS = { firstMs: 3, tokenUs: 60, rate: 0.95, freeMs: 100 };
const ALIAS = "smollm-of-the-engine";
const PROMPT = "The island has a harbour, a pump and a lamp that nobody lights. ";

const { file } = await smollm();
const engine = await LlamaServer.start({ model: file, alias: ALIAS, slots: SLOTS, context: 2_048 });
const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);

const relays: ChildProcess[] = [];

interface Asked {
  readonly url: string;
  readonly model: string;
  readonly key: string;
}

try {
  const node = await cluster.addNode("edge-a", { env: { SKERRY_ENGINES: `openai=${engine.url}` } });
  const document = Buffer.from(JSON.stringify({ model: ALIAS, kind: "text" }));
  await cluster.publishBundle("smollm", { "engine.json": document }, { runtime: "engine" });
  await cluster.deploy({
    name: "smollm",
    model: "smollm",
    version: 1,
    placement: { edge: { min: 1 } },
    limits: { timeoutMs: 60_000 },
  });
  await cluster.whenDeploymentReady("smollm", 120_000);
  const own = { url: engine.url, model: ALIAS, key: "none" };
  const through = { url: cluster.url, model: "smollm", key: cluster.adminKey };
  const passedOn = { ...own, url: await throughTwo(new URL(engine.url).port) };
  const pids = [cluster.controlPlane.child.pid ?? 0, node.process.child.pid ?? 0];
  const used = (): number => pids.reduce((sum, pid) => sum + threadsCpuMs(pid), 0);
  for (const asked of [own, passedOn, through, through]) await rateOf(asked);

  const firsts = { own: [] as number[], passedOn: [] as number[], through: [] as number[] };
  const rates: number[] = [];
  // What both use without a request, while the engine is as busy, is not the tokens'.
  const [busy, idle] = [
    { cpuMs: 0, ms: 0 },
    { cpuMs: 0, ms: 0 },
  ];
  const timed = async (asked: Asked, into: { cpuMs: number; ms: number }): Promise<number> => {
    const [cpu, startedAt] = [used(), performance.now()];
    const perSecond = await rateOf(asked);
    into.ms += performance.now() - startedAt;
    into.cpuMs += used() - cpu;
    return perSecond;
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let each = 0; each < FIRST_TOKENS; each += 1) {
      firsts.own.push(await first(own));
      firsts.passedOn.push(await first(passedOn));
      firsts.through.push(await first(through));
    }
    const before = await timed(own, idle);
    const ours = await timed(through, busy);
    const after = await timed(own, idle);
    rates.push(ours / ((before + after) / 2));
  }
  const [ownMs, throughMs] = [quantile(firsts.own, 0.5), quantile(firsts.through, 0.5)];
  const addedMs = throughMs - ownMs;
  const passedMs = quantile(firsts.passedOn, 0.5) - ownMs;
  console.log(
    `first token: ${ownMs.toFixed(1)} ms at the engine's port, ${throughMs.toFixed(1)} through control plane and node, median: + ${addedMs.toFixed(1)} ms, where two processes that only pass on add ${passedMs.toFixed(1)} (goal ${GOALS.firstMs}: ${verdict(addedMs <= GOALS.firstMs)})`,
  );
  const tokens = ROUNDS * SLOTS * TOKENS;
  const tokenUs = ((busy.cpuMs - (idle.cpuMs / idle.ms) * busy.ms) * 1_000) / tokens;
  console.log(
    `CPU of both for each forwarded token: ${tokenUs.toFixed(0)} µs over ${tokens} tokens, beside ${((100 * idle.cpuMs) / idle.ms).toFixed(1)} % of a core without requests (goal ${GOALS.tokenUs}: ${verdict(tokenUs <= GOALS.tokenUs)})`,
  );
  const rate = quantile(rates, 0.5);
  console.log(
    `tokens a second, ${SLOTS} streams: ${rate.toFixed(3)} times the engine's own, median of ${ROUNDS} rounds (goal ${GOALS.rate}: ${verdict(rate >= GOALS.rate)})`,
  );
  for (const stream of [true, false]) {
    const times: number[] = [];
    for (let caller = 0; caller < CALLERS; caller += 1) times.push(await freedAfter(through, stream));
    const p99 = quantile(times, 0.99);
    console.log(
      `slot free after the caller hangs up, ${stream ? "streaming" : "not streaming"}: ${quantile(times, 0.5).toFixed(0)} ms at the median, ${p99.toFixed(0)} at p99 of ${CALLERS} (goal ${GOALS.freeMs}: ${verdict(p99 <= GOALS.freeMs)})`,
    );
  }
} finally {
  for (const relay of relays) relay.kill();
  await cluster.stop();
  await engine.kill();
  await database.stop();
}
process.exit();

function verdict(isMet: boolean): string {
  return isMet ? "met" : "MISSED";
}

async function ask({ url, model, key }: Asked, request: object, signal?: AbortSignal): Promise<Response> {
  const answer = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model, prompt: PROMPT, temperature: 0, ...request }),
    ...(signal && { signal }),
  });
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return answer;
}

/** Starts two processes, one after the other in the way to `port`, and resolves with the URL of the first. */
async function throughTwo(port: string): Promise<string> {
  let to = port;
  for (let relay = 0; relay < 2; relay += 1) {
    const from = String(await freePort());
    relays.push(spawn(process.execPath, [path.join(import.meta.dirname, "../support/relay.ts"), from, to]));
    await until(
      "it passes on",
      async () => (await fetch(`http://127.0.0.1:${from}/health`).catch(() => undefined))?.ok,
      10_000,
    );
    to = from;
  }
  return `http://127.0.0.1:${to}`;
}

/** Time to the first event, in ms. */
async function first(asked: Asked): Promise<number> {
  const startedAt = performance.now();
  const answer = await ask(asked, { max_tokens: FEW_TOKENS, stream: true });
  let ms: number | undefined;
  for await (const _ of answer.body ?? []) ms ??= performance.now() - startedAt;
  return ms ?? Number.NaN;
}

/** Tokens a second of all slots at once, to the end of their answers. */
async function rateOf(asked: Asked): Promise<number> {
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: SLOTS }, async () => {
      await (await ask(asked, { max_tokens: TOKENS, stream: true })).text();
    }),
  );
  return (SLOTS * TOKENS * 1_000) / (performance.now() - startedAt);
}

/** From the caller's end to the moment at which the engine says that it runs nothing, in ms. */
async function freedAfter(asked: Asked, stream: boolean): Promise<number> {
  const controller = new AbortController();
  const answer = ask(asked, { max_tokens: 1_500, stream }, controller.signal).then((response) => response.text());
  answer.catch(() => undefined);
  await until("the slot is busy", async () => (await engine.busy()) > 0);
  const startedAt = performance.now();
  controller.abort();
  while ((await engine.busy()) > 0);
  const ms = performance.now() - startedAt;
  await answer.catch(() => undefined);
  return ms;
}
