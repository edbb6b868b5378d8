import { mkdtemp, rm } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright-core";
import { startEmbeddedPostgres } from "../../cli/dev/embedded-postgres.ts";
import { findBrowser, launch } from "../console/support/browser.ts";
import { openConsolePage } from "../console/support/console-page.ts";
import { quantile } from "../support/quantile.ts";
import type { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { cpuMs } from "./support/cpu-time.ts";
import { nodeNameOf } from "./support/fleet-rows.ts";
import { startSwarmCluster } from "./support/swarm-cluster.ts";

/**
 * What the web console shows how soon of a large fleet, and what it costs the control plane when it is left open. The nodes'
 * sessions are real, the browser is Chromium. On a machine that does nothing else, the browser included, each figure is
 * better: one machine runs all of it.
 *
 *   npm run bench -- console
 *   NODES=100 SECONDS=10 EVENTS=10 npm run bench -- console
 *
 * SECONDS: how long each cost is measured. MINUTES: how long the heap is watched. READERS: consoles beside the browser, as streams.
 */
const { env } = process;
const SIZE = { nodes: Number(env["NODES"] ?? 1_000), placementsPerNode: 5, deployments: 50 };
const WINDOW_MS = Number(env["SECONDS"] ?? 30) * 1_000;
const EVENTS = Number(env["EVENTS"] ?? 40);
const READERS = Number(env["READERS"] ?? 50);
const HEAP_MS = Number(env["MINUTES"] ?? 5) * 60_000;
const SETTLE_MS = 20_000;
const ROOT = path.resolve(import.meta.dirname, "../..");
/** What one open console follows. */
const STREAMS = ["/api/v1/nodes?watch=true", "/api/v1/deployments?watch=true", "/api/v1/events"];

const executable = findBrowser();
if (executable === undefined) process.exit(1);
spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
const directory = await mkdtemp(path.join(tmpdir(), "skerry-bench-"));
const server = await startEmbeddedPostgres({ directory, settings: { fsync: "off" } });
const { cluster, stop } = await startSwarmCluster(server.url, SIZE, { checkout: ROOT });
const browser = await launch(executable);
try {
  await sleep(SETTLE_MS);
  const alone = await cpuPctDuring(() => sleep(WINDOW_MS));
  console.log(`${SIZE.nodes} nodes, no console: CPU of the control plane ${alone.toFixed(2)} %`);

  const console1 = await openConsolePage(browser, cluster.url, { viewport: { width: 1_280, height: 800 } });
  await console1.signIn(cluster.adminKey);
  await console1.shows(/nodes? connected/);
  await sleep(2_000);
  print("one console on its home page", await cpuPctDuring(() => sleep(WINDOW_MS)), alone);

  const end = new AbortController();
  await Promise.all(Array.from({ length: READERS }, () => follow(end.signal)));
  print(`${READERS} more, as streams`, await cpuPctDuring(() => sleep(WINDOW_MS)), alone);
  end.abort();

  await console1.open(`/nodes?q=${nodeNameOf(0).slice(0, -2)}`);
  await console1.page.getByRole("link", { name: nodeNameOf(0) }).waitFor();
  const latencies: number[] = [];
  for (let turn = 0; turn < EVENTS; turn += 1) latencies.push(await eventToPixel(console1.page, turn % 50));
  console.log(
    `event to pixel: p50 ${quantile(latencies, 0.5).toFixed(0)} ms, p95 ${quantile(latencies, 0.95).toFixed(0)} ms of ${EVENTS}`,
  );

  await console1.open("/topology");
  await console1.page.locator("canvas").waitFor();
  await sleep(2_000);
  const { frames, longestMs } = await framesWhileEventsCome(console1.page);
  console.log(`topology while nodes change: ${frames.toFixed(0)} frames/s, longest gap ${longestMs.toFixed(0)} ms`);

  const before = await heapMiB(console1.page);
  const until = performance.now() + HEAP_MS;
  for (let turn = 0; performance.now() < until; turn += 1) {
    await cordon(turn % SIZE.nodes, turn % 2 === 0 ? "cordon" : "uncordon");
    await sleep(500);
  }
  console.log(
    `heap of the page: ${before.toFixed(1)} MiB, after ${HEAP_MS / 60_000} min with an event each half second ${(await heapMiB(console1.page)).toFixed(1)} MiB`,
  );
} finally {
  await browser.close();
  await stop();
  await server.stop("immediate");
  await rm(directory, { recursive: true, force: true });
}
process.exit();

/** Resolves with when the request was sent that did it: a busy machine's database may not answer at once. */
async function cordon(node: number, verb: "cordon" | "uncordon"): Promise<number> {
  for (let tries = 0; ; tries += 1) {
    const from = performance.timeOrigin + performance.now();
    try {
      await cluster.request("POST", `/nodes/${nodeNameOf(node)}/${verb}`);
      return from;
    } catch (error) {
      if (tries === 5) throw error;
      await sleep(1_000);
    }
  }
}

/** From the request that cordons a node until the frame in which its row says so, in ms. */
async function eventToPixel(page: Page, node: number): Promise<number> {
  const name = nodeNameOf(node);
  const shown = page.evaluate(`new Promise((resolve) => {
    const row = () => [...document.querySelectorAll("tbody tr")].find((each) => each.querySelector("a")?.textContent === "${name}");
    const look = () => row()?.textContent.includes("cordoned")
      ? (observer.disconnect(), requestAnimationFrame(() => resolve(performance.timeOrigin + performance.now())))
      : undefined;
    const observer = new MutationObserver(look);
    observer.observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true });
  })`);
  await sleep(100);
  const from = await cordon(node, "cordon");
  const at = (await shown) as number;
  await cordon(node, "uncordon");
  await sleep(300);
  return at - from;
}

async function framesWhileEventsCome(page: Page): Promise<{ frames: number; longestMs: number }> {
  const seconds = WINDOW_MS / 1_000;
  const counted = page.evaluate(`new Promise((resolve) => {
    let frames = 0, longest = 0, last = performance.now();
    const end = last + ${WINDOW_MS};
    const next = (now) => {
      frames += 1;
      longest = Math.max(longest, now - last);
      last = now;
      if (now < end) requestAnimationFrame(next);
      else resolve({ frames: frames / ${seconds}, longestMs: longest });
    };
    requestAnimationFrame(next);
  })`);
  let isOver = false;
  const events = (async () => {
    for (let turn = 0; !isOver; turn += 1) {
      await cordon(turn % SIZE.nodes, turn % 2 === 0 ? "cordon" : "uncordon");
      await sleep(100);
    }
  })();
  const result = (await counted) as { frames: number; longestMs: number };
  isOver = true;
  await events;
  return result;
}

/** What is left after a collection of garbage. */
async function heapMiB(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize / 1_048_576;
}

/** Opens what an open console follows, and reads it until `signal`. */
async function follow(signal: AbortSignal): Promise<void> {
  await Promise.all(
    STREAMS.map(async (stream) => {
      const headers = { authorization: `Bearer ${cluster.adminKey}`, accept: "text/event-stream" };
      const { body } = await fetch(`${cluster.url}${stream}`, { headers, signal });
      const reader = body?.getReader();
      const read = async (): Promise<void> => {
        while (reader && !(await reader.read()).done);
      };
      read().catch(() => undefined);
    }),
  );
}

async function cpuPctDuring(work: () => Promise<unknown>): Promise<number> {
  const pid = (cluster as SkerryCluster).controlPlane.child.pid ?? 0;
  const [startedAt, before] = [performance.now(), cpuMs(pid)];
  await work();
  return ((cpuMs(pid) - before) / (performance.now() - startedAt)) * 100;
}

function print(what: string, pct: number, alone: number): void {
  console.log(`${what}: CPU of the control plane ${pct.toFixed(2)} %, ${(pct - alone).toFixed(2)} % of a core more`);
}
