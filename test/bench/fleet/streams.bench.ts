import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { globSync } from "node:fs";
import { encodeRequest } from "../../../shared/inference/request.ts";
import { inFlightAt } from "../../support/processes/faults/node-faults.ts";
import { zerosModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { quantile } from "../../support/quantile.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { millisecond, negative, softmax } from "../support/bench-models.ts";
import { httpLoad, type HttpTarget } from "../support/http-load.ts";
import { inferTarget } from "../support/infer-target.ts";
import { startNginx } from "../support/nginx.ts";
import { begin, type Begun } from "../../support/fakes/pieces-client.ts";

/**
 * Answers in pieces, through the control plane and at the node's own port in turns: how soon the first piece is there, what
 * a reader who takes nothing costs the others, how soon the hosts are idle when callers go away, what a 64 MiB answer adds
 * to the control plane's memory, and what a 602 kB answer costs beside nginx. The pieces come from a host that makes them
 * by the clock (`test/support/fakes/pieces-host.ts`); all else is the real thing.
 *
 *   npm run bench -- streams
 *   ROUNDS=3 PARTS=first,vanish npm run bench -- streams
 */
const { env } = process;
const ROUNDS = Number(env["ROUNDS"] ?? 100);
const PARTS = (env["PARTS"] ?? "first,slow,vanish,memory,large").split(",");
const CALLERS = Number(env["CALLERS"] ?? 1_000);
const MEBI = 1_048_576;

const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
const pieces = await cluster.addNode("edge-a", { answersInPieces: true });
const real = await cluster.addNode("cloud-b", { kind: "cloud" });
const p = (values: readonly number[], q: number): string => quantile(values, q).toFixed(2);
const portOf = ({ localUrl }: ClusterNode): number => Number(new URL(localUrl).port);

const generation = (request: object, port?: number): HttpTarget =>
  targetOf("pieces", Buffer.from(JSON.stringify(request)), { "content-type": "application/json" }, port);
const stillOpen = (asked: readonly Promise<unknown>[]): Promise<boolean> =>
  Promise.race([Promise.all(asked).then(() => false), sleep(0, true)]);
const verdict = (isMet: boolean): string => (isMet ? "met" : "MISSED");
try {
  await deploy("pieces", softmax().file, "edge");
  if (PARTS.includes("first")) await firstPieces();
  if (PARTS.includes("slow")) await slowReaders();
  if (PARTS.includes("vanish")) await vanishing();
  if (PARTS.includes("memory")) await memory();
  if (PARTS.includes("large")) await largeAnswers();
} finally {
  await cluster.stop();
  await database.stop();
}
process.exit();

async function deploy(name: string, file: Uint8Array, where: "edge" | "cloud"): Promise<void> {
  await cluster.publish(name, file);
  await cluster.deploy({
    name,
    model: name,
    version: 1,
    placement: { edge: { min: where === "edge" ? 1 : 0 }, cloud: { min: where === "cloud" ? 1 : 0 } },
    limits: { memMiB: 1_024 },
  });
  await cluster.whenDeploymentReady(name);
}

function targetOf(model: string, body: Uint8Array, headers: Record<string, string>, port = cluster.port): HttpTarget {
  return {
    port,
    path: `/v2/models/${model}/infer`,
    body,
    headers: { authorization: `Bearer ${cluster.adminKey}`, ...headers },
  };
}

/** As many zeros as fill so many bytes. */
function zeros(bytes: number): HttpTarget {
  const data = BigInt64Array.of(BigInt(bytes / 4));
  const tensor = { name: "x", datatype: "INT64" as const, shape: [1], data };
  const { body, headerLength } = encodeRequest({ inputs: [{ tensor, binary: true }], binaryOutput: true });
  return targetOf("zeros", body, {
    "content-type": "application/octet-stream",
    "inference-header-content-length": String(headerLength),
  });
}

async function firstPieces(): Promise<void> {
  const request = { pieces: 1_000, bytes: 20, everyMs: 10 };
  const ways = { direct: generation(request, portOf(pieces)), "control plane": generation(request) };
  const firsts = { direct: [] as number[], "control plane": [] as number[] };
  for (let round = 0; round < ROUNDS + 5; round += 1) {
    for (const way of ["direct", "control plane"] as const) {
      const begun = await begin(ways[way]);
      if (round >= 5) firsts[way].push(begun.firstMs);
      begun.vanish();
    }
  }
  const whole = await (await begin(ways["control plane"])).rest();
  const ratio = quantile(firsts["control plane"], 0.5) / quantile(firsts.direct, 0.5);
  console.log(`1,000 pieces over 10 s: ${whole.bytes} bytes in ${(whole.ms / 1_000).toFixed(2)} s`);
  for (const [way, ms] of Object.entries(firsts))
    console.log(`  first piece, ${way}: p50 ${p(ms, 0.5)} p99 ${p(ms, 0.99)} ms`);
  console.log(`  ${ratio.toFixed(2)} × the direct port's (goal ≤ 1.3: ${verdict(ratio <= 1.3)})`);
}

async function slowReaders(): Promise<void> {
  const readers = 8;
  await deploy("zeros", zerosModel(), "cloud");
  const quick = async (): Promise<readonly number[]> => {
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i += 1) times.push((await (await begin(zeros(2 * MEBI))).rest()).ms);
    return times;
  };
  await quick();
  const alone = await quick();
  const sleepers: Begun[] = [];
  while (sleepers.length < readers) sleepers.push(await begin(zeros(8 * MEBI)));
  const beside = await quick();
  for (const sleeper of sleepers) sleeper.vanish();
  const ratio = quantile(beside, 0.5) / quantile(alone, 0.5);
  console.log(
    `2 MiB answers, alone p50 ${p(alone, 0.5)} ms, beside ${readers} callers who take nothing p50 ${p(beside, 0.5)} ms: ${ratio.toFixed(2)} ×`,
  );
}

async function vanishing(): Promise<void> {
  for (const [way, port] of [
    ["control plane", cluster.port],
    ["direct", portOf(pieces)],
  ] as const) {
    const ms: number[] = [];
    for (let i = 0; i < CALLERS / 2; i += 1) {
      const target = generation({ pieces: 1e9, bytes: 20, everyMs: 1 }, port);
      const callers = await Promise.all([begin(target), begin(target)]);
      const goneAt = Math.max(...callers.map((caller) => caller.vanish()));
      ms.push((await idleAfter(goneAt)) - goneAt);
    }
    const p99 = quantile(ms, 0.99);
    console.log(
      `${CALLERS} callers vanish in the middle of their answer, ${way}: host idle after p50 ${p(ms, 0.5)} p99 ${p99.toFixed(2)} ms (goal ≤ 100: ${verdict(p99 <= 100)})`,
    );
  }
  await vanishingUnary();
}

/** When the host was first idle after `instant`, both in ms since 1970. */
async function idleAfter(instant: number): Promise<number> {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    const [file] = globSync("**/*.idle", { cwd: pieces.stateDir });
    const text = file === undefined ? "" : await readFile(path.join(pieces.stateDir, file), "utf8");
    const last = Number(text.trim().split("\n").at(-1));
    if (last >= instant - 1) return last;
    await sleep(1);
  }
  throw new Error("the host is not idle 10 s after its callers went away");
}

async function vanishingUnary(): Promise<void> {
  const model = millisecond();
  await deploy(model.name, model.file, "cloud");
  const target = inferTarget(model, { port: cluster.port, key: cluster.adminKey });
  await httpLoad(target, { connections: 4, requests: 500 });
  const ms: number[] = [];
  const wave = 10;
  for (let i = 0; i < CALLERS / wave; i += 1) {
    const gone = Array.from({ length: wave }, () => new AbortController());
    const asked = gone.map(({ signal }) =>
      fetch(`http://127.0.0.1:${target.port}${target.path}`, {
        method: "POST",
        headers: target.headers,
        body: Buffer.from(target.body),
        signal,
      }).catch(() => undefined),
    );
    while ((await inFlightAt(real)) === 0 && (await stillOpen(asked))) await sleep(0);
    for (const each of gone) each.abort();
    const goneAt = performance.now();
    while ((await inFlightAt(real)) > 0) await sleep(0);
    ms.push(performance.now() - goneAt);
    await Promise.all(asked);
  }
  const p99 = quantile(ms, 0.99);
  console.log(
    `${CALLERS} callers vanish, ${wave} at once, from a model of 1 ms: nothing in flight after p50 ${p(ms, 0.5)} p99 ${p99.toFixed(2)} ms (goal ≤ 100: ${verdict(p99 <= 100)})`,
  );
}

async function memory(): Promise<void> {
  await deploy("zeros", zerosModel(), "cloud");
  const pid = cluster.controlPlane.child.pid ?? 0;
  for (let i = 0; i < 60; i += 1) await (await begin(zeros(2 * MEBI))).rest();
  await sleep(1_000);
  const before = residentMiB(pid);
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, residentMiB(pid))), 5);
  for (let i = 0; i < 5; i += 1) await (await begin(zeros(64 * MEBI))).rest();
  clearInterval(watch);
  const grown = most - before;
  console.log(
    `64 MiB answers, one after the other: control plane ${before.toFixed(1)} → at most ${most.toFixed(1)} MiB, ${grown.toFixed(1)} MiB more (goal ≤ 4: ${verdict(grown <= 4)})`,
  );
}

function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1_024;
}

async function largeAnswers(): Promise<void> {
  const nginx = await startNginx(portOf(real));
  if (nginx === undefined) return console.log("nginx is not installed: nothing is compared with it");
  const model = negative();
  await deploy(model.name, model.file, "cloud");
  const at = (port: number): HttpTarget => inferTarget(model, { port, key: cluster.adminKey });
  const ways = { worker: at(portOf(real)), nginx: at(nginx.port), "control plane": at(cluster.port) };
  for (const target of Object.values(ways)) await httpLoad(target, { connections: 2, requests: 400 });
  const ms = { worker: [] as number[], nginx: [] as number[], "control plane": [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1)
    for (const way of ["worker", "nginx", "control plane"] as const)
      ms[way].push(...(await httpLoad(ways[way], { connections: 1, requests: 10 })).latencies);
  for (const [way, values] of Object.entries(ms))
    console.log(`  602 kB there and back, ${way}: p50 ${p(values, 0.5)} p99 ${p(values, 0.99)} ms`);
  const added = (way: keyof typeof ms): number => quantile(ms[way], 0.5) - quantile(ms.worker, 0.5);
  const ratio = added("control plane") / added("nginx");
  console.log(
    `  added p50 ${added("control plane").toFixed(2)} ms, ${ratio.toFixed(2)} × nginx's (goal ≤ 1.3: ${verdict(ratio <= 1.3)})`,
  );
  await nginx.stop();
}
