import { readFileSync } from "node:fs";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { softmax } from "../support/bench-models.ts";
import { childrenOf } from "../support/cpu-time.ts";
import { httpLoad } from "../support/http-load.ts";
import { inferTarget } from "../support/infer-target.ts";

/**
 * Whether memory grows with the number of requests: resident memory of control plane, worker and model host after ten
 * thousand requests and after a million, in one run. Goal: ≤ 1.2 times.
 *
 *   npm run bench -- memory                     some minutes
 *   REQUESTS=100000 npm run bench -- memory
 */
const FIRST = 10_000;
const ALL = Number(process.env["REQUESTS"] ?? 1_000_000);
const CONNECTIONS = 16;
const GOAL = 1.2;

const database = await startTestDatabase();
const cluster = await SkerryCluster.start(database.url);
try {
  const node = await cluster.addNode("edge-a");
  const model = softmax();
  await cluster.publish(model.name, model.file);
  await cluster.deploy({ name: model.name, model: model.name, version: 1 });
  await cluster.whenDeploymentReady(model.name);
  const target = inferTarget(model, { port: cluster.port, key: cluster.adminKey });
  const worker = node.process.child.pid ?? 0;
  const resident = (): Record<string, number> => ({
    "control plane": residentMiB(cluster.controlPlane.child.pid ?? 0),
    worker: residentMiB(worker),
    "model host": childrenOf(worker).reduce((sum, pid) => sum + residentMiB(pid), 0),
  });
  await httpLoad(target, { connections: CONNECTIONS, requests: FIRST });
  const early = resident();
  const { perSecond, refused } = await httpLoad(target, { connections: CONNECTIONS, requests: ALL - FIRST });
  const late = resident();
  console.log(
    `${ALL} requests at ${perSecond.toFixed(0)}/s, ${refused} refused; resident MiB after ${FIRST} and after all:`,
  );
  for (const [who, mib] of Object.entries(early)) {
    const ratio = (late[who] ?? Number.NaN) / mib;
    console.log(
      `  ${who.padEnd(14)} ${mib.toFixed(0).padStart(5)} → ${(late[who] ?? 0).toFixed(0).padStart(5)}  ${ratio.toFixed(2)} × (goal ≤ ${GOAL}: ${ratio <= GOAL ? "met" : "MISSED"})`,
    );
  }
} finally {
  await cluster.stop();
  await database.stop();
}
process.exit();

function residentMiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) / 1_024;
}
