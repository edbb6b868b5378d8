import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readFile } from "node:fs/promises";
import { startTestDatabase } from "../support/postgres/postgres.ts";
import { identityModel } from "../support/models/onnx-models.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import { Kubernetes } from "./support/kubernetes.ts";

/** What custom resources cost: `node test/kubernetes/load.ts [how many]`. Prints figures and asserts nothing. */
const COUNT = Number(process.argv[2] ?? 1_000);
const PATH = "/apis/skerry.dev/v1alpha1/namespaces/skerry/modeldeployments";
const BASE = path.resolve(import.meta.dirname, "../../deploy/kustomize/base");

interface Shown {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly status?: { readonly observedGeneration?: number };
}

const kubernetes = await Kubernetes.start();
await kubernetes.kubectl(["apply", "-k", BASE]);
await kubernetes.kubectl(["-n", "skerry", "scale", "deployment", "--all", "--replicas=0"]);
const database = await startTestDatabase();
const token = await kubernetes.tokenOf("skerry/skerry-control-plane");
const cluster = await SkerryCluster.start(database.url, {
  KUBECONFIG: await kubernetes.kubeconfig("control-plane", token),
  SKERRY_KUBERNETES_NAMESPACE: "skerry",
});

/** Writes of the control plane, by what it writes; the test itself only posts and merges. */
async function writes(): Promise<{ finalizers: number; statuses: number; events: number }> {
  const text = await kubernetes.kubectl(["get", "--raw", "/metrics"]);
  const sum = (...labels: readonly string[]): number =>
    text
      .split("\n")
      .filter((line) => line.startsWith("apiserver_request_total{") && labels.every((label) => line.includes(label)))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
  const applied = (subresource: string): number =>
    sum('resource="modeldeployments"', `subresource="${subresource}"`, 'verb="APPLY"');
  const events =
    sum('group=""', 'resource="events"', 'verb="POST"') + sum('group=""', 'resource="events"', 'verb="PATCH"');
  return { finalizers: applied(""), statuses: applied("status"), events };
}

const all = async (): Promise<readonly Shown[]> => {
  const { items } = (await kubernetes.get(PATH)) as { items: Shown[] };
  return items;
};
const whenObserved = (count: number): Promise<true> =>
  until(
    `${count} are observed`,
    async () => {
      const items = await all();
      const observed = items.filter(({ metadata, status }) => status?.observedGeneration === metadata.generation);
      return observed.length === count;
    },
    600_000,
  );
const cpuSeconds = async (): Promise<number> => {
  const fields =
    (await readFile(`/proc/${cluster.controlPlane.child.pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const rssMiB = async (): Promise<number> => {
  const status = await readFile(`/proc/${cluster.controlPlane.child.pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024);
};
const print = (what: string, figures: object): void =>
  void process.stdout.write(`${what} ${JSON.stringify(figures)}\n`);
async function measure(what: string, work: () => Promise<unknown>): Promise<void> {
  const [before, cpu, startedAt] = [await writes(), await cpuSeconds(), performance.now()];
  await work();
  const seconds = Number(((performance.now() - startedAt) / 1_000).toFixed(1));
  const after = await writes();
  print(what, {
    seconds,
    cpuSeconds: Number(((await cpuSeconds()) - cpu).toFixed(1)),
    finalizers: after.finalizers - before.finalizers,
    statuses: after.statuses - before.statuses,
    events: after.events - before.events,
    rssMiB: await rssMiB(),
  });
}

await cluster.publish("digits", identityModel("FP32", ["n", 2]));
const manifest = (name: string): object => ({
  apiVersion: "skerry.dev/v1alpha1",
  kind: "ModelDeployment",
  metadata: { name, namespace: "skerry" },
  spec: { model: "digits", version: 1, placement: {} },
});
await measure(`${COUNT} from nothing`, async () => {
  for (let made = 0; made < COUNT; made += 20)
    await Promise.all(
      Array.from({ length: Math.min(20, COUNT - made) }, (_, i) =>
        kubernetes.admin("POST", PATH, manifest(`d-${made + i}`)),
      ),
    );
  await whenObserved(COUNT);
});
await measure("one changed", async () => {
  await kubernetes.patch(`${PATH}/d-0`, { spec: { paused: true } });
  await whenObserved(COUNT);
});
await whenObserved(COUNT);
{
  await kubernetes.killApiServer();
  kubernetes.startApiServer();
  await kubernetes.whenReady();
  await until("it serves custom resources", () => kubernetes.get(PATH).catch(() => undefined));
  const readyAt = performance.now();
  await kubernetes.patch(`${PATH}/d-1`, { spec: { paused: true } });
  await until("d-1 is observed", async () => {
    const { metadata, status } = (await kubernetes.get(`${PATH}/d-1`)) as Shown;
    return status?.observedGeneration === metadata.generation;
  });
  const ms = Math.round(performance.now() - readyAt);
  await sleep(10_000);
  // The server that was started anew counts from zero.
  print("one changed, the API server killed, all listed and looked at again", {
    msAfterReady: ms,
    ...(await writes()),
  });
}
await cluster.stop();
await database.stop();
await kubernetes.stop();
