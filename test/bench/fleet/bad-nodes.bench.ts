import { readFile } from "node:fs/promises";
import { digitRequests } from "../../support/models/digit-request.ts";
import { deployAfresh, runFault, type FaultReport } from "../../support/processes/faults/fault-run.ts";
import { NODE_FAULTS } from "../../support/processes/faults/node-faults.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { quantile } from "../../support/quantile.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import type { LoadSample } from "../../support/processes/steady-load.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";

/**
 * What callers see while one of three nodes goes bad, for 30 s each, under 100 requests a second with the shipped
 * timings (suspect after 15 s). Prints a table. `SECONDS=10 ONLY=half` for a shorter one.
 */
const { SECONDS = "30", ONLY = "", SUSPECT_MS = "15000", TIMEOUT_MS = "5000" } = process.env;
const PER_SECOND = 100;

const database = await startTestDatabase();
const proxy = await TcpProxy.start();
const cluster = await SkerryCluster.start(database.url, {
  SKERRY_NODE_URLS: `ws://127.0.0.1:${proxy.port}`,
  SKERRY_SUSPECT_MS: SUSPECT_MS,
});
proxy.pointAt(cluster.port);
try {
  for (const name of ["edge-a", "edge-b", "edge-c"]) await cluster.addNode(name);
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
  const [sample] = digitRequests();
  if (!sample) throw new Error("there are no samples");
  const send = (): Promise<Response> =>
    cluster.infer("digits", sample.body, { headers: { "skerry-timeout-ms": TIMEOUT_MS } });

  console.log(
    `${SECONDS} s each at ${PER_SECOND}/s, deadline ${TIMEOUT_MS} ms, suspect after ${SUSPECT_MS} ms; p50/p99 in ms\n` +
      row([
        "fault",
        "requests",
        "failed",
        "codes",
        "before",
        "during",
        "after",
        "share before/> 5 s/after",
        "back after s",
      ]),
  );
  for (const fault of NODE_FAULTS.filter(({ id, title }) => `${id} ${title}`.includes(ONLY))) {
    await deployAfresh(cluster, fault.id);
    const course = { perSecond: PER_SECOND, beforeS: 5, duringS: Number(SECONDS), afterS: 5, send };
    const report = await runFault(fault, { cluster, proxy }, course);
    console.log(row([fault.id, ...cellsOf(report)]));
    for (const line of reasonsOf(report)) console.log(`    ${line}`);
  }
} finally {
  await cluster.stop();
  await proxy.stop();
  await database.stop();
}
process.exit(0); // the database's keeper ends with this process

function failedOf({ all }: FaultReport): readonly LoadSample[] {
  return all.filter(({ status }) => status !== 200);
}

function cellsOf(report: FaultReport): readonly string[] {
  const { all, before, during, after, recoveryMs } = report;
  const failed = failedOf(report);
  const times = [before, during, after].map((samples) => {
    const ms = samples.map((each) => each.ms);
    return `${quantile(ms, 0.5).toFixed(1)}/${quantile(ms, 0.99).toFixed(0)}`;
  });
  const codes = [...Map.groupBy(failed, ({ code, status }) => code || String(status))].map(
    ([code, group]) => `${group.length} ${code}`,
  );
  const share = [report.shareBefore, report.shareAfter5s, report.shareAfterRecovery]
    .map((each) => `${(100 * each).toFixed(1)}`)
    .join("/");
  return [`${all.length}`, `${failed.length}`, codes.join(", "), ...times, share, (recoveryMs / 1_000).toFixed(1)];
}

/** The failures in the caller's words, with how far into the fault they were sent. */
function reasonsOf(report: FaultReport): readonly string[] {
  const brokenAt = report.during[0]?.sentAt ?? 0;
  const byText = Map.groupBy(failedOf(report), ({ error }) => error.replaceAll(/\d+(\.\d+)? ms/g, "… ms"));
  return [...byText].map(([text, group]) => {
    const times = group.map(({ sentAt }) => ((sentAt - brokenAt) / 1_000).toFixed(1));
    return `${group.length} × ${text} sent at ${times.slice(0, 12).join(" ")} s`;
  });
}

function row(cells: readonly string[]): string {
  const widths = [25, 9, 7, 28, 10, 12, 10, 25, 12];
  return cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" ");
}
