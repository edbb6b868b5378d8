import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import type { V1ConfigMap, V1Container, V1EnvVar, V1Pod, V1Volume } from "@kubernetes/client-node";
import type { Kubernetes } from "./kubernetes.ts";

const ROUND_MS = 200;
const LEASE_MS = 10_000;
const PROBE_TIMEOUT_MS = 1_000;
let machines = 0;

interface RunningPod {
  readonly pod: V1Pod;
  readonly directory: string;
  readonly ip: string;
  child: ChildProcess;
  restarts: number;
  isReady: boolean;
  isEnding: boolean;
}

interface Options {
  readonly name: string;
  readonly zone: string;
  /** The file tree of the image: commands run in it. */
  readonly image: string;
  /** Takes the place of what the manifest says, for what a test cannot have: names of Services. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Plays the kubelet of one machine: the pods that the scheduler binds to it become local processes, with their environment,
 * projected token, readiness probe, grace period and status. Each pod has a loopback address of its own.
 */
export class ProcessKubelet {
  readonly #kubernetes: Kubernetes;
  readonly #options: Options;
  readonly #machine = (machines += 1);
  readonly #pods = new Map<string, RunningPod>();
  #addresses = 0;
  #isStopped = false;
  #round: Promise<void> = Promise.resolve();
  #leaseAt = 0;

  private constructor(kubernetes: Kubernetes, options: Options) {
    this.#kubernetes = kubernetes;
    this.#options = options;
  }

  /** Registers the machine, ready and large, and begins to run its pods. */
  static async start(kubernetes: Kubernetes, options: Options): Promise<ProcessKubelet> {
    const kubelet = new ProcessKubelet(kubernetes, options);
    const { name, zone } = options;
    const labels = { "topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": name };
    await kubernetes.admin("POST", "/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name, labels } });
    await kubelet.#renewLease();
    await kubernetes.patch(`/api/v1/nodes/${name}/status`, {
      status: {
        capacity: { cpu: "64", memory: "64Gi", pods: "100" },
        allocatable: { cpu: "64", memory: "64Gi", pods: "100" },
        conditions: [{ type: "Ready", status: "True", reason: "KubeletReady" }],
      },
    });
    // What the node controller put on it while it was not ready.
    await kubernetes.patch(`/api/v1/nodes/${name}`, { spec: { taints: null } });
    void kubelet.#run();
    return kubelet;
  }

  /** The process of a pod, to kill or to look at. */
  process(pod: string): ChildProcess {
    const running = [...this.#pods.values()].find((each) => each.pod.metadata?.name === pod);
    if (!running) throw new Error(`${pod} does not run on ${this.#options.name}`);
    return running.child;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#round;
    await Promise.all([...this.#pods.values()].map((running) => this.#end(running)));
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#round = this.#look().catch(() => undefined); // an API server that is away is looked for again
      await this.#round;
      await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
    }
  }

  async #look(): Promise<void> {
    const { name } = this.#options;
    if (Date.now() - this.#leaseAt > LEASE_MS) await this.#renewLease();
    const { items } = (await this.#kubernetes.get(`/api/v1/pods?fieldSelector=spec.nodeName=${name}`)) as {
      items: V1Pod[];
    };
    for (const pod of items) {
      const uid = pod.metadata?.uid ?? "";
      const running = this.#pods.get(uid);
      if (running && pod.metadata?.deletionTimestamp) await this.#delete(running);
      else if (running) await this.#report(running);
      else if (!pod.metadata?.deletionTimestamp) this.#pods.set(uid, await this.#start(pod));
    }
    const present = new Set(items.map(({ metadata }) => metadata?.uid));
    for (const [uid, running] of this.#pods) if (!present.has(uid)) await this.#forget(uid, running);
  }

  async #start(pod: V1Pod): Promise<RunningPod> {
    const directory = await mkdtemp(path.join(tmpdir(), "skerry-pod-"));
    const ip = `127.${this.#machine}.0.${(this.#addresses += 1)}`;
    for (const volume of pod.spec?.volumes ?? []) await this.#mount(pod, volume, path.join(directory, volume.name));
    const child = await this.#spawn(pod, directory, ip);
    const running = { pod, directory, ip, child, restarts: 0, isReady: false, isEnding: false };
    this.#watchExit(running);
    return running;
  }

  #watchExit(running: RunningPod): void {
    running.child.once("exit", () => {
      if (running.isEnding) return;
      running.restarts += 1;
      void this.#spawn(running.pod, running.directory, running.ip).then((child) => {
        running.child = child;
        this.#watchExit(running);
      });
    });
  }

  async #spawn(pod: V1Pod, directory: string, ip: string): Promise<ChildProcess> {
    const [container] = pod.spec?.containers ?? [];
    if (!container) throw new Error("a pod without a container");
    const [program = "", ...args] = container.command ?? [];
    const env: Record<string, string> = {};
    for (const variable of container.env ?? []) env[variable.name] = await this.#valueOf(variable, pod, ip);
    const child = spawn(program === "node" ? process.execPath : program, args, {
      cwd: this.#options.image,
      env: { PATH: process.env["PATH"], ...mapped(env, container, directory), ...this.#options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const log = createWriteStream(path.join(this.#kubernetes.directory, `${pod.metadata?.name}.log`), { flags: "a" });
    for (const stream of [child.stdout, child.stderr]) stream.pipe(log, { end: false });
    return child;
  }

  async #valueOf({ value, valueFrom }: V1EnvVar, pod: V1Pod, ip: string): Promise<string> {
    const field = valueFrom?.fieldRef?.fieldPath;
    if (field === "metadata.name") return pod.metadata?.name ?? "";
    if (field === "status.podIP") return ip;
    if (valueFrom) throw new Error(`the test's kubelet does not know ${JSON.stringify(valueFrom)}`);
    return value ?? "";
  }

  async #mount(pod: V1Pod, { configMap, projected }: V1Volume, folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    const { namespace, name, uid } = pod.metadata ?? {};
    if (configMap) {
      const { data = {} } = (await this.#kubernetes.get(
        `/api/v1/namespaces/${namespace}/configmaps/${configMap.name}`,
      )) as V1ConfigMap;
      for (const [file, text] of Object.entries(data)) await writeFile(path.join(folder, file), text);
    }
    for (const { serviceAccountToken: source } of projected?.sources ?? []) {
      if (!source) continue;
      const account = pod.spec?.serviceAccountName ?? "";
      const token = await this.#kubernetes.tokenOf(`${namespace}/${account}`, {
        audiences: [source.audience ?? ""],
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
      });
      await writeFile(path.join(folder, source.path), token, { mode: 0o600 });
    }
  }

  async #report(running: RunningPod): Promise<void> {
    const { pod, ip, restarts } = running;
    const [container] = pod.spec?.containers ?? [];
    if (!container) return;
    const isReady = await answers(container, ip);
    if (isReady === running.isReady && restarts === pod.status?.containerStatuses?.[0]?.restartCount) return;
    running.isReady = isReady;
    const status = isReady ? "True" : "False";
    const { name, image = "" } = container;
    const started = { running: { startedAt: pod.metadata?.creationTimestamp } };
    const { namespace, name: podName } = pod.metadata ?? {};
    await this.#kubernetes.patch(`/api/v1/namespaces/${namespace}/pods/${podName}/status`, {
      status: {
        phase: "Running",
        podIP: ip,
        podIPs: [{ ip }],
        conditions: [
          { type: "Ready", status },
          { type: "ContainersReady", status },
        ],
        containerStatuses: [{ name, image, imageID: image, ready: isReady, restartCount: restarts, state: started }],
      },
    });
  }

  async #delete(running: RunningPod): Promise<void> {
    const { namespace, name, uid } = running.pod.metadata ?? {};
    await this.#end(running);
    await this.#kubernetes.delete(`/api/v1/namespaces/${namespace}/pods/${name}`, { gracePeriodSeconds: 0 });
    this.#pods.delete(uid ?? "");
  }

  /** Deleted by force: the process goes without grace. */
  async #forget(uid: string, running: RunningPod): Promise<void> {
    running.isEnding = true;
    running.child.kill("SIGKILL");
    this.#pods.delete(uid);
    await rm(running.directory, { recursive: true, force: true });
  }

  async #end(running: RunningPod): Promise<void> {
    running.isEnding = true;
    const { child, pod, directory } = running;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      const graceMs = (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1_000;
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await gone;
      clearTimeout(timer);
    }
    await rm(directory, { recursive: true, force: true });
  }

  async #renewLease(): Promise<void> {
    this.#leaseAt = Date.now();
    const { name } = this.#options;
    const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: 40,
      renewTime: new Date().toISOString().replace("Z", "000Z"),
    };
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name }, spec };
    const made = await this.#kubernetes.admin("POST", leases, lease);
    if (made.status === 409) await this.#kubernetes.patch(`${leases}/${name}`, { spec });
  }
}

/** Paths in the container become paths in the pod's folder. */
function mapped(
  env: Readonly<Record<string, string>>,
  { volumeMounts = [] }: V1Container,
  directory: string,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => {
      const mount = volumeMounts.find(({ mountPath }) => value === mountPath || value.startsWith(`${mountPath}/`));
      return [name, mount ? path.join(directory, mount.name) + value.slice(mount.mountPath.length) : value];
    }),
  );
}

/** What the readiness probe of the container says. */
function answers({ readinessProbe, ports = [] }: V1Container, host: string): Promise<boolean> {
  const probe = readinessProbe?.httpGet;
  const port = ports.find(({ name }) => name === String(probe?.port))?.containerPort ?? Number(probe?.port);
  return new Promise((resolve) => {
    const call = request({ host, port, path: probe?.path ?? "/", timeout: PROBE_TIMEOUT_MS }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    call.on("timeout", () => call.destroy(new Error("no answer in time")));
    call.on("error", () => resolve(false));
    call.end();
  });
}
