import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { startEmbeddedPostgres } from "../../../cli/dev/embedded-postgres.ts";
import { explainDeployment } from "../../../control-plane/app/deployments/explain-deployment.ts";
import { findBrowser, launch } from "../../console/support/browser.ts";
import { type ConsolePage, openConsolePage } from "../../console/support/console-page.ts";
import { aDeployment, aFleet, aVersion, NOW, TIMINGS } from "../../support/fleet/fleet-builder.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { quantile } from "../../support/quantile.ts";
import { threadsCpuMs } from "../support/cpu-time.ts";
import { writeFleetRows } from "../support/fleet/fleet-rows.ts";
import { heapMiB } from "../support/fleet/console-figures.ts";
import { largeFleet } from "../support/fleet/large-fleet.ts";
import { withClient } from "../support/fleet/swarm-cluster.ts";

/**
 * What the explanation costs that names every node of a large fleet, beside the one that names the first ones. First what
 * the control plane computes, in this process, so that nothing else counts: bytes, and CPU time of planning, JSON and gzip.
 * Then a real control plane that has recorded as many nodes, and a page of the console in Chromium: from the click to the
 * rows, and the control plane's CPU time for an answer.
 *
 *   npm run bench -- explain
 *   NODES=5000 ROUNDS=10 npm run bench -- explain
 */
const { env } = process;
const NODES = Number(env["NODES"] ?? 1_000);
const ROUNDS = Number(env["ROUNDS"] ?? 20);
const ROOT = path.resolve(import.meta.dirname, "../../..");
/** Of `writeFleetRows`. */
const NAME = "model-0";
const context = { now: NOW, timings: TIMINGS, trigger: "bench" };

const { nodes } = largeFleet({ nodes: NODES, deployments: 1, replicas: 1 });
const version = aVersion("model", 1, { bytes: 40 * 1_048_576 });
for (const [what, placement] of [
  ["that fit", { edge: { min: 1 } }],
  ["that are refused by a label", { where: { matchLabels: { gpu: "absent" } }, edge: { min: 1 } }],
  ["of which one in five fits", { where: { matchLabels: { gpu: "true" } }, edge: { min: 1 } }],
] as const) {
  const deployment = aDeployment({ name: "model", model: "model", version: 1, placement });
  const fleet = aFleet({ nodes, deployments: [deployment], versions: [version] });
  const made = fleet.deployments.get("model");
  if (made === undefined) throw new Error("no deployment");
  console.log(`${NODES} nodes ${what}`);
  for (const ofAllNodes of [false, true]) {
    const answer = cpuOf(() => JSON.stringify(explainDeployment(fleet, made, { ...context, ofAllNodes })));
    const packed = cpuOf(() => gzipSync(answer.made, { level: 1 }));
    console.log(
      `  ${ofAllNodes ? "every node" : "the first ones"}: ${kib(answer.made.length)} KiB, ${kib(packed.made.length)} in gzip; CPU ${answer.cpuMs.toFixed(1)} ms, ${packed.cpuMs.toFixed(1)} for gzip (medians of ${ROUNDS})`,
    );
  }
}

const executable = findBrowser();
if (executable === undefined) process.exit(1);
spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
const directory = await mkdtemp(path.join(tmpdir(), "skerry-bench-"));
const server = await startEmbeddedPostgres({ directory, settings: { fsync: "off" } });
const cluster = await SkerryCluster.start(server.url, {}, { checkout: ROOT });
// Rows are written while nobody reads them; the first start has made the tables.
await cluster.controlPlane.stop();
await withClient(server.url, (client) =>
  writeFleetRows(client, { nodes: NODES, placementsPerNode: 0, deployments: 1 }, "A".repeat(43)),
);
cluster.restartControlPlane();
await cluster.whenControlPlaneReady();
const browser = await launch(executable);
try {
  const opened = await openConsolePage(browser, cluster.url, { viewport: { width: 1_280, height: 800 } });
  await opened.signIn(cluster.adminKey);
  const shownMs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) shownMs.push(await clickToRows(opened));
  const ms = (q: number): string => quantile(shownMs, q).toFixed(0);
  console.log(
    `in the console, from the click to the rows of ${NODES} nodes: p50 ${ms(0.5)} ms, p95 ${ms(0.95)} ms of ${ROUNDS}; heap of the page ${(await heapMiB(opened.page)).toFixed(1)} MiB`,
  );
  await opened.page.context().close();
  for (const query of ["", "?nodes=all"]) {
    const { bytes, cpuMs, tookMs } = await costOf(query);
    console.log(
      `answer to explain${query}: ${kib(bytes)} KiB over the wire; CPU of the control plane ${cpuMs.toFixed(1)} ms, ${tookMs.toFixed(0)} ms until it is there (means of ${ROUNDS})`,
    );
  }
} finally {
  await browser.close();
  await cluster.stop();
  await server.stop("immediate");
  await rm(directory, { recursive: true, force: true });
}
process.exit();

/** The median of the CPU time of this process for one `make`. */
function cpuOf<Made>(make: () => Made): { readonly made: Made; readonly cpuMs: number } {
  let made = make();
  const ms: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage();
    made = make();
    const { user, system } = process.cpuUsage(before);
    ms.push((user + system) / 1_000);
  }
  return { made, cpuMs: quantile(ms, 0.5) };
}

async function costOf(query: string): Promise<{ bytes: number; cpuMs: number; tookMs: number }> {
  const pid = cluster.controlPlane.child.pid ?? 0;
  const headers = { authorization: `Bearer ${cluster.adminKey}`, "accept-encoding": "gzip" };
  let bytes = 0;
  const [before, from] = [threadsCpuMs(pid), performance.now()];
  for (let round = 0; round < ROUNDS; round += 1) {
    const answer = await fetch(`${cluster.url}/api/v1/deployments/${NAME}/explain${query}`, { headers });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    bytes = Number(answer.headers.get("content-length"));
    await answer.arrayBuffer();
  }
  return { bytes, cpuMs: (threadsCpuMs(pid) - before) / ROUNDS, tookMs: (performance.now() - from) / ROUNDS };
}

/** From the click on "Ask about every node" until the frame in which no node is left that was not asked about. */
async function clickToRows(opened: ConsolePage): Promise<number> {
  const { page } = opened;
  await opened.open(`/explain/${NAME}`);
  await page.getByText(/nodes beside them were not asked about/).waitFor();
  const ms = await page.evaluate(`new Promise((resolve) => {
    const from = performance.now();
    const main = document.querySelector("main");
    const isShown = () => !/not asked|Asking/.test(main.textContent);
    const observer = new MutationObserver(() => isShown()
      ? (observer.disconnect(), requestAnimationFrame(() => resolve(performance.now() - from)))
      : undefined);
    observer.observe(main, { subtree: true, childList: true, characterData: true });
    [...main.querySelectorAll("button")].find((each) => each.textContent === "Ask about every node").click();
  })`);
  return ms as number;
}

function kib(bytes: number): string {
  return (bytes / 1_024).toFixed(bytes < 102_400 ? 1 : 0);
}
