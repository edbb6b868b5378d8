import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startEmbeddedPostgres } from "../../../cli/dev/embedded-postgres.ts";
import { findBrowser, launch } from "../../console/support/browser.ts";
import { type ConsolePage, openConsolePage } from "../../console/support/console-page.ts";
import { identityModel } from "../../support/models/onnx-models.ts";
import { quantile } from "../../support/quantile.ts";
import { threadsCpuMs } from "../support/cpu-time.ts";
import { heapMiB } from "../support/fleet/console-figures.ts";
import { startSwarmCluster } from "../support/fleet/swarm-cluster.ts";

/**
 * What the explanation of a deployment costs that names every node of a large fleet, beside the one that names the first
 * ones: bytes, time and CPU of the control plane, and how soon a page of the console shows it. Once with nodes that all fit,
 * once with nodes that are all refused, of which each says what would change that.
 *
 *   npm run bench -- explain
 *   NODES=5000 ROUNDS=10 npm run bench -- explain
 */
const { env } = process;
const SIZE = { nodes: Number(env["NODES"] ?? 1_000), placementsPerNode: 5, deployments: 50 };
const ROUNDS = Number(env["ROUNDS"] ?? 30);
const SETTLE_MS = Number(env["SETTLE"] ?? 20) * 1_000;
/** Windows of CPU with the page open and without it, by turns. */
const WINDOW_MS = Number(env["SECONDS"] ?? 30) * 1_000;
const TURNS = Number(env["TURNS"] ?? 3);
const ROOT = path.resolve(import.meta.dirname, "../../..");
const FITS = "fits";
const REFUSED = "refused";

const executable = findBrowser();
if (executable === undefined) process.exit(1);
spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
const directory = await mkdtemp(path.join(tmpdir(), "skerry-bench-"));
const server = await startEmbeddedPostgres({ directory, settings: { fsync: "off" } });
const { cluster, stop } = await startSwarmCluster(server.url, SIZE, { checkout: ROOT });
const browser = await launch(executable);
const pid = cluster.controlPlane.child.pid ?? 0;
try {
  // The models of the fleet have no bytes to send, so every node is refused: this one has.
  await cluster.publish("identity", identityModel("FP32", ["n", 4]));
  const spec = { model: "identity", version: 1, limits: { memMiB: 64 } };
  await cluster.deploy({ ...spec, name: FITS, placement: { edge: { min: 1 } } });
  const nowhere = { where: { matchLabels: { gpu: "true" } }, edge: { min: 1 } };
  await cluster.deploy({ ...spec, name: REFUSED, placement: nowhere });
  await sleep(SETTLE_MS);
  for (const [what, name] of [
    ["nodes that fit", FITS],
    ["nodes that are refused", REFUSED],
  ] as const) {
    console.log(`${SIZE.nodes} ${what}`);
    const [some, all] = [await costOf(name, ""), await costOf(name, "?nodes=all")];
    for (const [which, cost] of [
      ["the first ones", some],
      ["every node", all],
    ] as const)
      console.log(
        `  ${which}: ${kib(cost.bytes)} KiB, ${kib(cost.sentBytes)} sent; p50 ${cost.p50Ms.toFixed(0)} ms, p95 ${cost.p95Ms.toFixed(0)} ms, CPU ${cost.cpuMs.toFixed(1)} ms of ${ROUNDS}`,
      );
    const page = await openConsolePage(browser, cluster.url, { viewport: { width: 1_280, height: 800 } });
    await page.signIn(cluster.adminKey);
    const shownMs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) shownMs.push(await clickToRows(page, name));
    console.log(
      `  in the console, from the click to the rows: p50 ${quantile(shownMs, 0.5).toFixed(0)} ms, p95 ${quantile(shownMs, 0.95).toFixed(0)} ms; heap ${(await heapMiB(page.page)).toFixed(1)} MiB`,
    );
    const [without, open] = await withoutAndWith(page, name);
    console.log(`  CPU of the control plane without the page ${without.toFixed(1)} %, with it ${open.toFixed(1)} %`);
    await page.page.context().close();
  }
} finally {
  await browser.close();
  await stop();
  await server.stop("immediate");
  await rm(directory, { recursive: true, force: true });
}
process.exit();

interface Cost {
  readonly bytes: number;
  /** As a browser gets them. */
  readonly sentBytes: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Of the control plane, for one answer. What the fleet costs meanwhile is taken off. */
  readonly cpuMs: number;
}

async function costOf(name: string, query: string): Promise<Cost> {
  const ask = async (): Promise<string> => {
    const headers = { authorization: `Bearer ${cluster.adminKey}`, "accept-encoding": "identity" };
    const answer = await fetch(`${cluster.url}/api/v1/deployments/${name}/explain${query}`, { headers });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return answer.text();
  };
  const text = await ask();
  const before = [threadsCpuMs(pid), performance.now()] as const;
  await sleep(5_000);
  const idlePerMs = (threadsCpuMs(pid) - before[0]) / (performance.now() - before[1]);
  const ms: number[] = [];
  const [cpuBefore, from] = [threadsCpuMs(pid), performance.now()];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = performance.now();
    await ask();
    ms.push(performance.now() - startedAt);
  }
  const cpu = threadsCpuMs(pid) - cpuBefore - idlePerMs * (performance.now() - from);
  return {
    bytes: Buffer.byteLength(text),
    sentBytes: await sentBytes(name, query),
    p50Ms: quantile(ms, 0.5),
    p95Ms: quantile(ms, 0.95),
    cpuMs: cpu / ROUNDS,
  };
}

/** What goes over the wire to a client that takes gzip. */
async function sentBytes(name: string, query: string): Promise<number> {
  const headers = { authorization: `Bearer ${cluster.adminKey}`, "accept-encoding": "gzip" };
  const answer = await fetch(`${cluster.url}/api/v1/deployments/${name}/explain${query}`, { headers });
  await answer.body?.cancel();
  return Number(answer.headers.get("content-length"));
}

/** From the click on "Ask about every node" until the frame in which no node is left that was not asked about. */
async function clickToRows(opened: ConsolePage, name: string): Promise<number> {
  const { page } = opened;
  await opened.open(`/explain/${name}`);
  await page.getByRole("button", { name: /^not asked \d+$/ }).waitFor();
  const ms = await page.evaluate(`new Promise((resolve) => {
    const from = performance.now();
    const main = document.querySelector("main");
    const isShown = () => ![...main.querySelectorAll("button")].some((each) => each.textContent.startsWith("not asked"));
    const observer = new MutationObserver(() => isShown()
      ? (observer.disconnect(), requestAnimationFrame(() => resolve(performance.now() - from)))
      : undefined);
    observer.observe(main, { subtree: true, childList: true, characterData: true });
    [...main.querySelectorAll("button")].find((each) => each.textContent === "Ask about every node").click();
  })`);
  return ms as number;
}

async function withoutAndWith(opened: ConsolePage, name: string): Promise<[without: number, withIt: number]> {
  const { page } = opened;
  const pct = async (): Promise<number> => {
    await sleep(2_000);
    const [from, before] = [performance.now(), threadsCpuMs(pid)];
    await sleep(WINDOW_MS);
    return ((threadsCpuMs(pid) - before) / (performance.now() - from)) * 100;
  };
  const pcts: { without: number[]; withIt: number[] } = { without: [], withIt: [] };
  for (let turn = 0; turn < TURNS; turn += 1) {
    await page.goto("about:blank");
    pcts.without.push(await pct());
    await opened.open(`/explain/${name}?all=true`);
    await page.getByRole("button", { name: /^all \d+$/ }).waitFor();
    pcts.withIt.push(await pct());
  }
  return [quantile(pcts.without, 0.5), quantile(pcts.withIt, 0.5)];
}

function kib(bytes: number): string {
  return (bytes / 1_024).toFixed(0);
}
