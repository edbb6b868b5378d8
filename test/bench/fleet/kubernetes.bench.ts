import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ADMIN, Kubernetes } from "../../kubernetes/support/kubernetes.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { residentMiB } from "../../support/processes/process-facts.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { quantile } from "../../support/quantile.ts";
import { cpuMs } from "../support/cpu-time.ts";
import { DeclaredObjects } from "../support/kubernetes/declared-objects.ts";
import { shownStatus } from "../support/kubernetes/shown-status.ts";

/**
 * What custom resources cost, against a real API server, in one run: a control plane with as many ModelDeployments as without
 * Kubernetes; and the same controller with the control plane's client and with client-node's, in turn. Goals: 3 writes for an
 * object from nothing, 2 for a change, none when everything is looked at again; memory ≤ 1.3 times; of client-node's
 * figures ≤ 0.5 times the p50 and ≤ 0.3 times the CPU.
 *
 *   npm run bench -- kubernetes               some minutes
 *   COUNT=100 npm run bench -- kubernetes
 */
const COUNT = Number(process.env["COUNT"] ?? 1_000);
const CHANGES = 100;
const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
/** A control plane that had much to do gives memory back within this time, as far as it does at all. */
const REST_MS = 1_000 * Number(process.env["REST"] ?? 30);
const ROOT = path.resolve(import.meta.dirname, "../../..");
const CRDS = path.join(ROOT, "deploy/crds");
const BASE = path.join(ROOT, "deploy/kustomize/base");

const kubernetes = await Kubernetes.start();
try {
  await kubernetes.kubectl(["apply", "-k", BASE]);
  await kubernetes.kubectl(["-n", "skerry", "scale", "deployment", "--all", "--replicas=0"]);
  await kubernetes.kubectl(["apply", "-k", CRDS]);
  const without = await controlPlaneWithout();
  const using = await controlPlaneWith();
  for (const what of ["rssMiB", "heapMiB"] as const) {
    const ratio = (at: "idle" | "loaded"): string => (using[at][what] / without[at][what]).toFixed(2);
    console.log(
      `  ${what}: without Kubernetes ${without.idle[what]} → ${without.loaded[what]}, with it ${using.idle[what]} → ${using.loaded[what]}: ${ratio("idle")} ×, with ${COUNT} deployments ${ratio("loaded")} × (goal ≤ 1.3)`,
    );
  }
  await compareClients();
} finally {
  await kubernetes.stop();
}
process.exit();

interface Memory {
  readonly rssMiB: number;
  readonly heapMiB: number;
}

async function memoryOf(cluster: SkerryCluster): Promise<Memory> {
  await sleep(REST_MS);
  const answer = await fetch(`${cluster.url}/metrics`, { headers: { authorization: `Bearer ${cluster.adminKey}` } });
  const text = await answer.text();
  const mib = (name: string): number =>
    Math.round(Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]) / 1_048_576);
  return { rssMiB: mib("process_resident_memory_bytes"), heapMiB: mib("nodejs_heap_size_used_bytes") };
}

async function controlPlaneWithout(): Promise<{ idle: Memory; loaded: Memory }> {
  const database = await startTestDatabase();
  const cluster = await SkerryCluster.start(database.url);
  try {
    await cluster.publish("digits", identityModel("FP32", ["n", 2]));
    const idle = await memoryOf(cluster);
    for (let made = 0; made < COUNT; made += 20)
      await Promise.all(
        Array.from({ length: Math.min(20, COUNT - made) }, (_, i) =>
          cluster.deploy({ name: `d-${made + i}`, model: "digits", version: 1, placement: {} }),
        ),
      );
    return { idle, loaded: await memoryOf(cluster) };
  } finally {
    await cluster.stop();
    await database.stop();
  }
}

async function controlPlaneWith(): Promise<{ idle: Memory; loaded: Memory }> {
  const database = await startTestDatabase();
  const token = await kubernetes.tokenOf("skerry/skerry-control-plane");
  const cluster = await SkerryCluster.start(database.url, {
    KUBECONFIG: await kubernetes.kubeconfig("control-plane", token),
    SKERRY_KUBERNETES_NAMESPACE: "skerry",
  });
  const objects = new DeclaredObjects(kubernetes, "skerry", ADMIN);
  const pid = cluster.controlPlane.child.pid ?? 0;
  try {
    await objects.start();
    await cluster.publish("digits", identityModel("FP32", ["n", 2]));
    const idle = await memoryOf(cluster);
    await measured(`control plane, ${COUNT} from nothing`, pid, { count: COUNT, work: () => objects.create(COUNT) });
    await changes("control plane", pid, { objects, atOnce: 1 });
    const loaded = await memoryOf(cluster);
    objects.stop();
    await killed(cluster);
    return { idle, loaded };
  } finally {
    objects.stop();
    await cluster.stop();
    await database.stop();
  }
}

/** Everything is listed and looked at again, and one object changes at once. */
async function killed(cluster: SkerryCluster): Promise<void> {
  await kubernetes.killApiServer();
  kubernetes.startApiServer();
  await kubernetes.whenReady();
  const list = "/apis/skerry.dev/v1alpha1/namespaces/skerry/modeldeployments";
  await until("it serves custom resources", () => kubernetes.get(`${list}/d-0`).catch(() => undefined));
  const startedAt = performance.now();
  await kubernetes.patch(`${list}/d-0`, { spec: { paused: true } });
  await until("the change is declared", async () => {
    const { items } = await cluster.get<{ items: { name: string; spec: { paused: boolean } }[] }>("/deployments");
    return items.find(({ name }) => name === "d-0")?.spec.paused === true;
  });
  const ms = performance.now() - startedAt;
  // Everything is looked at again at 200 a second.
  await sleep(COUNT * 5 + 5_000);
  const { finalizers, statuses, events } = await writes();
  console.log(
    `  API server killed, one of ${COUNT} changed when it was ready: carried out after ${ms.toFixed(0)} ms (goal ≤ 2,000); writes since: ${finalizers} finalizers, ${statuses} statuses, ${events} events`,
  );
}

/** Since the API server started, of any field manager but `kubectl` and the admin of this benchmark. */
async function writes(): Promise<{ finalizers: number; statuses: number; events: number; reads: number }> {
  const text = await kubernetes.kubectl(["get", "--raw", "/metrics"]);
  const sum = (...labels: readonly string[]): number =>
    text
      .split("\n")
      .filter((line) => line.startsWith("apiserver_request_total{") && labels.every((label) => line.includes(label)))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
  const of = (verb: string, subresource: string): number =>
    sum('resource="modeldeployments"', `subresource="${subresource}"`, `verb="${verb}"`);
  const onEvents = (verb: string): number => sum('group=""', 'resource="events"', `verb="${verb}"`);
  return {
    finalizers: of("APPLY", ""),
    statuses: of("APPLY", "status"),
    events: onEvents("POST") + onEvents("PATCH"),
    reads: of("LIST", "") + of("WATCH", ""),
  };
}

async function measured(
  what: string,
  pid: number,
  { count, work }: { readonly count: number; readonly work: () => Promise<unknown> },
): Promise<{ readonly seconds: number; readonly cpuMs: number }> {
  const [before, cpu, startedAt] = [await writes(), cpuMs(pid), performance.now()];
  await work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const used = cpuMs(pid) - cpu;
  const after = await writes();
  const each = (kind: keyof typeof before): string => ((after[kind] - before[kind]) / count).toFixed(2);
  console.log(
    `  ${what}: ${seconds.toFixed(1)} s, CPU ${(used / count).toFixed(1)} ms each; for each ${each("finalizers")} finalizer, ${each("statuses")} status, ${each("events")} event`,
  );
  return { seconds, cpuMs: used };
}

interface Changes {
  readonly p50: number;
  /** For each. */
  readonly cpuMs: number;
}

/** Changes objects, `atOnce` of them at a time; the next when the status of all of these has followed. */
async function changes(
  who: string,
  pid: number,
  { objects, atOnce }: { readonly objects: DeclaredObjects; readonly atOnce: number },
): Promise<Changes> {
  const latencies: number[] = [];
  const change = async (i: number): Promise<void> =>
    void latencies.push(await objects.change(`d-${i % COUNT}`, { slo: { p95Ms: 100 + atOnce + i } }));
  const { cpuMs: used } = await measured(`${who}, ${CHANGES} changed, ${atOnce} at once`, pid, {
    count: CHANGES,
    async work() {
      for (let i = 0; i < CHANGES; i += atOnce)
        await Promise.all(Array.from({ length: atOnce }, (_, of) => change(i + of)));
    },
  });
  const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
  console.log(`    change → status p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
  return { p50, cpuMs: used / CHANGES };
}

/** The p50 in ms of a change whose status this process writes itself, at once: the time of the API server. */
async function floorOf(namespace: string): Promise<number> {
  await kubernetes.kubectl(["create", "namespace", namespace]);
  const objects = new DeclaredObjects(kubernetes, namespace, ADMIN);
  await objects.start();
  await objects.make(COUNT);
  const latencies: number[] = [];
  for (let i = 0; i < CHANGES; i += 1) {
    const name = `d-${i % COUNT}`;
    const metadata = { name, namespace, uid: "", resourceVersion: "", generation: 1, finalizers: [] };
    latencies.push(await objects.changeAndShow(name, { slo: { p95Ms: 100 + i } }, shownStatus({ metadata })));
  }
  objects.stop();
  const p50 = quantile(latencies, 0.5);
  console.log(`  no controller, the status written at once: change → status p50 ${p50.toFixed(1)} ms`);
  return p50;
}

interface Client {
  readonly alone: Changes;
  readonly together: Changes;
  readonly createCpuMs: number;
  readonly rssMiB: number;
}

async function compareClients(): Promise<void> {
  const rounds: { own: Client; other: Client; floor: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const own = await clientRound("own-client.ts", `own-${round}`);
    const other = await clientRound("client-node.ts", `client-node-${round}`);
    rounds.push({ own, other, floor: await floorOf(`floor-${round}`) });
  }
  const ratio = (read: (client: Client) => number): string =>
    quantile(
      rounds.map(({ own, other }) => read(own) / read(other)),
      0.5,
    ).toFixed(2);
  const added = quantile(
    rounds.map(({ own, other, floor }) => (own.alone.p50 - floor) / (other.alone.p50 - floor)),
    0.5,
  );
  console.log(
    `  own client of client-node's: change → status p50 ${ratio(({ alone }) => alone.p50)} × alone, ${ratio(({ together }) => together.p50)} × 20 at once (goal ≤ 0.5), ${added.toFixed(2)} × alone of what is over the API server's time; CPU of a change ${ratio(({ alone }) => alone.cpuMs)} × alone, ${ratio(({ together }) => together.cpuMs)} × 20 at once, of an object from nothing ${ratio(({ createCpuMs }) => createCpuMs)} × (goal ≤ 0.3); RSS ${ratio(({ rssMiB }) => rssMiB)} ×`,
  );
}

async function clientRound(program: string, namespace: string): Promise<Client> {
  await kubernetes.kubectl(["create", "namespace", namespace]);
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "../support/kubernetes", program), namespace], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, KUBECONFIG: await kubernetes.kubeconfig("admin", ADMIN) },
  });
  const pid = child.pid ?? 0;
  const objects = new DeclaredObjects(kubernetes, namespace, ADMIN);
  try {
    await once(child.stdout, "data");
    await objects.start();
    const { cpuMs: created } = await measured(`${program}, ${COUNT} from nothing`, pid, {
      count: COUNT,
      work: () => objects.create(COUNT),
    });
    const alone = await changes(program, pid, { objects, atOnce: 1 });
    const together = await changes(program, pid, { objects, atOnce: 20 });
    const rssMiB = await residentMiB(pid);
    console.log(`    RSS ${rssMiB.toFixed(0)} MiB`);
    return { alone, together, createCpuMs: created / COUNT, rssMiB };
  } finally {
    objects.stop();
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}
