import { mkdtemp, rm } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startEmbeddedPostgres } from "../../../cli/dev/embedded-postgres.ts";
import { findBrowser, launch } from "../../console/support/browser.ts";
import { type ConsolePage, openConsolePage } from "../../console/support/console-page.ts";
import { quantile } from "../../support/quantile.ts";
import type { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import {
  cordon,
  eventToPixel,
  type EventTimes,
  framesWhileEventsCome,
  heapMiB,
  openNodeStream,
  slowLink,
} from "../support/fleet/console-figures.ts";
import { cpuMs } from "../support/cpu-time.ts";
import { nodeNameOf } from "../support/fleet/fleet-rows.ts";
import { startSwarmCluster } from "../support/fleet/swarm-cluster.ts";

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
/** Windows with one console, and as many without, by turns. */
const TURNS = 5;
/** Between two events while the heap is watched, and after how many of them it is looked at. */
const HEAP_EVENT_MS = 1_000;
const HEAP_SAMPLE = 120;
const SETTLE_MS = 20_000;
const ROOT = path.resolve(import.meta.dirname, "../../..");
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
  const console1 = await openConsolePage(browser, cluster.url, { viewport: { width: 1_280, height: 800 } });
  await console1.signIn(cluster.adminKey);
  const [alone, open] = await withoutAndWith(console1);
  console.log(`${SIZE.nodes} nodes, no console: CPU of the control plane ${alone.toFixed(2)} %`);
  print("one console on its home page", open, alone);

  const end = new AbortController();
  await Promise.all(Array.from({ length: READERS }, () => follow(end.signal)));
  print(`${READERS} more, as streams`, await cpuPctDuring(() => sleep(WINDOW_MS)), alone);
  end.abort();

  await console1.open(`/nodes?q=${nodeNameOf(0).slice(0, -2)}`);
  await console1.page.getByRole("link", { name: nodeNameOf(0) }).waitFor();
  const events: EventTimes[] = [];
  const stream = await openNodeStream(cluster);
  for (let turn = 0; turn < EVENTS; turn += 1) events.push(await eventToPixel(console1.page, turn % 50, stream));
  stream.close();
  for (const [what, of] of [
    ["pixel", ({ pixelMs }: EventTimes) => pixelMs],
    ["the stream of another reader", ({ streamMs }: EventTimes) => streamMs],
    ["the answer of the request that made it", ({ answerMs }: EventTimes) => answerMs],
  ] as const) {
    const ms = (q: number): string => quantile(events.map(of), q).toFixed(0);
    console.log(`event to ${what}: p50 ${ms(0.5)} ms, p95 ${ms(0.95)} ms of ${EVENTS}`);
  }

  await console1.open("/topology");
  await console1.page.locator("canvas").waitFor();
  await sleep(2_000);
  const { frames, longestMs } = await framesWhileEventsCome(console1.page, cluster, { ms: WINDOW_MS, ...SIZE });
  console.log(`topology while nodes change: ${frames.toFixed(0)} frames/s, longest gap ${longestMs.toFixed(0)} ms`);

  console.log(`heap of the page: ${(await heapMiB(console1.page)).toFixed(1)} MiB`);
  const until = performance.now() + HEAP_MS;
  for (let turn = 0; performance.now() < until; turn += 1) {
    await cordon(cluster, turn % SIZE.nodes, turn % 2 === 0 ? "cordon" : "uncordon");
    await sleep(HEAP_EVENT_MS);
    if ((turn + 1) % HEAP_SAMPLE === 0)
      console.log(`heap after ${turn + 1} events: ${(await heapMiB(console1.page)).toFixed(1)} MiB`);
  }

  for (const figure of await slowLink(browser, cluster)) console.log(figure);
} finally {
  await browser.close();
  await stop();
  await server.stop("immediate");
  await rm(directory, { recursive: true, force: true });
}
process.exit();

/**
 * The control plane's CPU, in percent of a core, without an open console and with one: medians of windows by turns. What the
 * fleet costs alone differs by more from one window to the next than one console adds.
 */
async function withoutAndWith(console1: ConsolePage): Promise<[without: number, withOne: number]> {
  const pcts: { without: number[]; withOne: number[] } = { without: [], withOne: [] };
  for (let turn = 0; turn < TURNS; turn += 1) {
    await console1.page.goto("about:blank");
    await sleep(2_000);
    pcts.without.push(await cpuPctDuring(() => sleep(WINDOW_MS)));
    await console1.open("/");
    await console1.shows(/nodes? connected/);
    await sleep(2_000);
    pcts.withOne.push(await cpuPctDuring(() => sleep(WINDOW_MS)));
  }
  const listed = (of: readonly number[]): string => of.map((pct) => pct.toFixed(1)).join(", ");
  console.log(`windows without a console: ${listed(pcts.without)} %; with one: ${listed(pcts.withOne)} %`);
  return [quantile(pcts.without, 0.5), quantile(pcts.withOne, 0.5)];
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
