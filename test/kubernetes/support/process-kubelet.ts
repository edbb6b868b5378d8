import type { ChildProcess } from "node:child_process";
import type { V1Pod } from "@kubernetes/client-node";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Kubernetes } from "./kubernetes.ts";
import { PodOnMachine } from "./pod-on-machine.ts";

const ROUND_MS = 200;
const ROOM = { cpu: "64", memory: "64Gi", pods: "100", "ephemeral-storage": "100Gi" };
const LEASE_MS = 10_000;
const MEMORY_LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 20Mi.";
/** Of this process, so that test runs beside each other do not take each other's ports: all pods listen on the same one. */
export const NETWORK = `127.${(process.pid >> 8) & 255}.${process.pid & 255}`;
let addresses = 1;

interface Options {
  readonly name: string;
  readonly zone: string;
  /** By the name of an image, the file tree that its commands run in. Others cannot be pulled. */
  readonly images: ReadonlyMap<string, string>;
  /** Takes the place of what the manifest says, for what a test cannot have: names of Services. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Plays the kubelet of one machine: the pods that the scheduler binds to it become local processes, with their environment,
 * projected token, readiness probe, memory limit, grace period and status. Each pod has a loopback address of its own.
 * Pods wait for nothing of each other: one that takes its whole grace to end keeps no other from starting.
 */
export class ProcessKubelet {
  readonly #kubernetes: Kubernetes;
  readonly #options: Options;
  readonly #pods = new Map<string, PodOnMachine>();
  /** By uid: what is being done with a pod now. */
  readonly #busy = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, string>();
  #isStopped = false;
  #isWithoutPower = false;
  #running: Promise<void> = Promise.resolve();
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
    await kubelet.#sayReady();
    // What the node controller put on it while it was not ready.
    await kubernetes.patch(`/api/v1/nodes/${name}`, { spec: { taints: null } });
    kubelet.#running = kubelet.#run();
    return kubelet;
  }

  get name(): string {
    return this.#options.name;
  }

  /** For the message of a test that fails: what it has, and what went wrong with it last. */
  describe(): string {
    const pods = [...this.#pods].map(([uid, { pod, child }]) => {
      const failure = this.#failures.get(uid);
      const is = child === undefined ? "no process" : `process ${child.pid}`;
      return `${pod.metadata?.name} (${is}${this.#busy.has(uid) ? ", busy" : ""}${failure === undefined ? "" : `, ${failure}`})`;
    });
    const failure = this.#failures.get("");
    return `${this.name}: ${pods.join(", ") || "no pods"}${failure === undefined ? "" : `; ${failure}`}`;
  }

  has(pod: string): boolean {
    return this.#find(pod) !== undefined;
  }

  /** The process of a pod, to kill or to look at. */
  process(pod: string): ChildProcess {
    const child = this.#find(pod)?.child;
    if (!child) throw new Error(`${pod} does not run on ${this.name}`);
    return child;
  }

  /** The folder of one of a pod's volumes. */
  volume(pod: string, name: string): string {
    return this.#get(pod).volume(name);
  }

  /** Where a pod is reached, and no other one. */
  address(pod: string): string {
    return this.#get(pod).address;
  }

  /** What a machine does whose memory runs out: the pod ends as `Evicted`. */
  async evict(pod: string): Promise<void> {
    const found = this.#get(pod);
    await this.#busy.get(found.pod.metadata?.uid ?? "");
    await found.evict(MEMORY_LOW);
  }

  /** The machine is gone: its processes end, and nothing is heard of it until `powerOn`. */
  async powerOff(): Promise<void> {
    this.#isWithoutPower = true;
    const cut = (): Promise<unknown> => Promise.all([...this.#pods.values()].map((pod) => pod.cut()));
    await cut();
    await Promise.all(this.#busy.values());
    await cut(); // one may just have been started
  }

  /** It is back, and starts again what is still bound to it. */
  powerOn(): void {
    this.#isWithoutPower = false;
    this.#leaseAt = 0;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    await Promise.all(this.#busy.values());
    await Promise.all([...this.#pods.values()].map((pod) => pod.end({ graceMs: graceOf(pod.pod) })));
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      // An API server that is away is looked for again.
      if (!this.#isWithoutPower) await this.#look().catch((error: unknown) => this.#failures.set("", messageOf(error)));
      await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
    }
  }

  async #look(): Promise<void> {
    if (Date.now() - this.#leaseAt > LEASE_MS) await this.#sayReady();
    const { items } = (await this.#kubernetes.get(`/api/v1/pods?fieldSelector=spec.nodeName=${this.name}`)) as {
      items: V1Pod[];
    };
    this.#failures.delete("");
    if (this.#isWithoutPower) return;
    for (const pod of items) this.#do(pod.metadata?.uid ?? "", () => this.#handle(pod));
    const present = new Set(items.map(({ metadata }) => metadata?.uid));
    for (const [uid, pod] of this.#pods)
      if (!present.has(uid)) this.#do(uid, () => this.#remove(uid, pod, { graceMs: 0 })); // deleted by force
  }

  /** One thing at a time for a pod; what fails is tried again in the next round. */
  #do(uid: string, work: () => Promise<void>): void {
    if (this.#busy.has(uid)) return;
    const done = work()
      .then(() => void this.#failures.delete(uid))
      .catch((error: unknown) => void this.#failures.set(uid, messageOf(error)))
      .finally(() => this.#busy.delete(uid));
    this.#busy.set(uid, done);
  }

  async #handle(pod: V1Pod): Promise<void> {
    const { uid = "", namespace, name, deletionTimestamp } = pod.metadata ?? {};
    let known = this.#pods.get(uid);
    if (deletionTimestamp !== undefined) {
      if (known) await this.#remove(uid, known, { graceMs: graceOf(pod) });
      // Also one that was deleted before this machine had seen it: only the machine may say that it is gone.
      const options = { gracePeriodSeconds: 0, preconditions: { uid } };
      await this.#kubernetes.delete(`/api/v1/namespaces/${namespace}/pods/${name}`, options);
      return;
    }
    const isOver = pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded";
    if (!known && isOver) return;
    if (!known) {
      const ip = `${NETWORK}.${(addresses += 1)}`;
      known = new PodOnMachine(pod, { kubernetes: this.#kubernetes, ip, ...this.#options });
      this.#pods.set(uid, known);
    }
    await known.step(pod);
  }

  async #remove(uid: string, pod: PodOnMachine, how: { readonly graceMs: number }): Promise<void> {
    await pod.end(how);
    this.#pods.delete(uid);
  }

  #get(pod: string): PodOnMachine {
    const found = this.#find(pod);
    if (!found) throw new Error(`${pod} is not on ${this.name}`);
    return found;
  }

  #find(pod: string): PodOnMachine | undefined {
    return [...this.#pods.values()].find((each) => each.pod.metadata?.name === pod);
  }

  /** The lease, and what a machine says of itself: after an outage the node controller waits for that. */
  async #sayReady(): Promise<void> {
    const { name } = this;
    const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: 40,
      renewTime: new Date().toISOString().replace("Z", "000Z"),
    };
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name }, spec };
    const made = await this.#kubernetes.admin("POST", leases, lease);
    if (made.status === 409) await this.#kubernetes.patch(`${leases}/${name}`, { spec });
    const now = new Date().toISOString();
    await this.#kubernetes.patch(`/api/v1/nodes/${name}/status`, {
      status: {
        capacity: ROOM,
        allocatable: ROOM,
        conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", lastHeartbeatTime: now }],
      },
    });
    this.#leaseAt = Date.now();
  }
}

const graceOf = ({ spec }: V1Pod): number => (spec?.terminationGracePeriodSeconds ?? 30) * 1_000;
