import path from "node:path";
import type { Node } from "../../../shared/api/v1/nodes/nodes.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, until } from "../../support/processes/skerry-process.ts";
import { Kubernetes } from "./kubernetes.ts";
import { ProcessKubelet } from "./process-kubelet.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
export const BASE = path.join(ROOT, "deploy/kustomize/base");
export const NODE_ACCOUNT = "skerry/skerry-node";
const NODE_PODS = ["-n", "skerry", "get", "pods", "-l", "app.kubernetes.io/name=skerry-node"];

export interface ClusterWithPods {
  readonly kubernetes: Kubernetes;
  readonly cluster: SkerryCluster;
  /** Of two machines, `machine-1` in the zone north and `machine-2` in the zone south. */
  readonly kubelets: readonly ProcessKubelet[];
  /** Names of the pods of nodes that Kubernetes lists, those that are about to go among them. */
  readonly podNames: () => Promise<readonly string[]>;
  /** The machine that a pod is on. */
  machineOf(pod: string): ProcessKubelet;
  /** `until` whose failure says what the pool, Kubernetes, the machines and the control plane had to say. */
  readonly until: typeof until;
  stop(): Promise<void>;
}

/**
 * A Kubernetes with what `deploy/` has, whose pods are processes, and a control plane with `settings` beside it: with the
 * rights of its service account, and no others. What was started ends when a later start fails.
 */
export async function startClusterWithPods(settings: NodeJS.ProcessEnv): Promise<ClusterWithPods> {
  const started: { stop(): Promise<void> }[] = [];
  const kubelets: ProcessKubelet[] = [];
  const stop = async (): Promise<void> => {
    // The pods first, as long as there is a control plane to take leave of.
    await Promise.all(kubelets.map((kubelet) => kubelet.stop()));
    for (const each of started.toReversed()) await each.stop();
  };
  const owned = async <Started extends { stop(): Promise<void> }>(starting: Promise<Started>): Promise<Started> => {
    const each = await starting;
    started.push(each);
    return each;
  };
  try {
    const kubernetes = await owned(Kubernetes.start());
    await kubernetes.kubectl(["apply", "-k", BASE]);
    await kubernetes.kubectl(["-n", "skerry", "scale", "deployment/skerry-control-plane", "--replicas=0"]);
    const database = await owned(startTestDatabase());
    const port = await freePort();
    const shown = "jsonpath={.spec.template.spec.containers[0].image}";
    const image = await kubernetes.kubectl(["-n", "skerry", "get", "deployment", "skerry-node", "-o", shown]);
    const machine = { images: new Map([[image, ROOT]]), env: { SKERRY_URL: `http://127.0.0.1:${port}` } };
    // Before the pool is scaled: otherwise two pods may be bound to the machine that is there first.
    kubelets.push(await ProcessKubelet.start(kubernetes, { name: "machine-1", zone: "north", ...machine }));
    kubelets.push(await ProcessKubelet.start(kubernetes, { name: "machine-2", zone: "south", ...machine }));
    const token = await kubernetes.tokenOf("skerry/skerry-control-plane");
    const cluster = await owned(
      SkerryCluster.start(database.url, {
        SKERRY_PORT: String(port),
        KUBECONFIG: await kubernetes.kubeconfig("control-plane", token),
        SKERRY_POD_SERVICE_ACCOUNTS: NODE_ACCOUNT,
        ...settings,
      }),
    );
    return {
      kubernetes,
      cluster,
      kubelets,
      podNames: async () => {
        const printed = await kubernetes.kubectl([...NODE_PODS, "-o", "name"]);
        return printed.split("\n").flatMap((line) => (line.startsWith("pod/") ? [line.slice("pod/".length)] : []));
      },
      machineOf(pod) {
        const found = kubelets.find((kubelet) => kubelet.has(pod));
        if (!found) throw new Error(`${pod} is on no machine`);
        return found;
      },
      until: (what, probe, timeoutMs) =>
        until(what, probe, timeoutMs).catch(async (error: unknown) => {
          const state = await describeState({ kubernetes, cluster, kubelets });
          throw new Error(`${messageOf(error)}\n${state}`, { cause: error });
        }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function describeState({
  kubernetes,
  cluster,
  kubelets,
}: Pick<ClusterWithPods, "kubernetes" | "cluster" | "kubelets">): Promise<string> {
  const said = (looked: Promise<unknown>): Promise<string> =>
    looked.then((found) => (typeof found === "string" ? found : JSON.stringify(found, undefined, 1)), messageOf);
  const events = cluster.events().then((all) => all.slice(-30).map(({ reason, message }) => `${reason}: ${message}`));
  const log = cluster.controlPlane.output.trim().split("\n").slice(-30).join("\n");
  return [
    `The pools: ${await said(cluster.get("/cloud-pools"))}`,
    `Nodes: ${await said(cluster.get("/nodes").then((found) => namesAndStates(found)))}`,
    `Events: ${await said(events)}`,
    `Pods: ${await said(kubernetes.kubectl([...NODE_PODS, "-o", "wide"]))}`,
    ...kubelets.map((kubelet) => `Machine ${kubelet.describe()}`),
    `The control plane's log:\n${log}`,
  ].join("\n");
}

const namesAndStates = (list: unknown): readonly string[] =>
  (list as { items: Node[] }).items.map(
    ({ name, state, draining }) => `${name} ${state}${draining ? ", draining" : ""}`,
  );
