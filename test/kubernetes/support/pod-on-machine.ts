import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { request as requestWithTls } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import type { V1ConfigMap, V1Container, V1Pod, V1Volume } from "@kubernetes/client-node";
import { quantity } from "../../../control-plane/adapters/kubernetes/quantity.ts";
import type { Kubernetes } from "./kubernetes.ts";
import { environmentOf, secretOf } from "./pod-environment.ts";
import { residentBytes } from "./resident-bytes.ts";

const PROBE_TIMEOUT_MS = 1_000;
/** A container that ends is started again at once, and then after this, doubled each time, in ms. */
const RESTART_MS = 1_000;
const MAX_RESTART_MS = 8_000;
/** What a shell says of a process that SIGKILL ended. */
const KILLED = 137;

interface Ended {
  readonly reason: string;
  readonly exitCode: number;
  readonly finishedAt: string;
}

interface Waiting {
  readonly reason: string;
  readonly message: string;
}

/** What the kubelet says of a pod to the API server. */
interface PodStatus {
  readonly phase: "Pending" | "Running" | "Failed";
  readonly reason?: string;
  readonly message?: string;
  readonly [field: string]: unknown;
}

interface Parts {
  readonly kubernetes: Kubernetes;
  /** By the name of an image, the file tree that its commands run in. Others cannot be pulled. */
  readonly images: ReadonlyMap<string, string>;
  readonly env: Readonly<Record<string, string>>;
  readonly ip: string;
}

/**
 * One pod on a machine: a process with the pod's environment, volumes and probes. It changes only in `step` and `end`, which
 * the machine calls one after the other, so a container is never started again behind the back of a deletion.
 */
export class PodOnMachine {
  readonly pod: V1Pod;
  readonly #parts: Parts;
  readonly #container: V1Container;
  #directory: string | undefined;
  #child: ChildProcess | undefined;
  #startedAt = "";
  #restarts = 0;
  #restartAt = 0;
  #pulls = 0;
  #isOutOfMemory = false;
  #isReady = false;
  #waiting: Waiting | undefined;
  #ended: Ended | undefined;
  #evicted: string | undefined;
  #reported = "";

  constructor(pod: V1Pod, parts: Parts) {
    const [container] = pod.spec?.containers ?? [];
    if (!container) throw new Error("a pod without a container");
    this.pod = pod;
    this.#container = container;
    this.#parts = parts;
  }

  get child(): ChildProcess | undefined {
    return this.#child;
  }

  /** Starts the container if it does not run, looks at its memory and its probe, and reports what differs from `seen`. */
  async step(seen: V1Pod): Promise<void> {
    if (this.#evicted === undefined) {
      this.#noteEnd();
      if (this.#child === undefined && Date.now() >= this.#restartAt) await this.#start();
      await this.#watchMemory();
      this.#isReady = this.#child !== undefined && (await answers(this.#container, this.#parts.ip));
    }
    await this.#report(seen);
  }

  /** The machine takes the room back: the process is gone at once, and the pod never runs again. */
  async evict(message: string): Promise<void> {
    await this.#kill("SIGKILL", 0);
    this.#noteEnd();
    this.#isReady = false;
    this.#evicted = message;
  }

  /** As a power cut would: what it has on the machine's disk stays. */
  cut(): Promise<void> {
    return this.#kill("SIGKILL", 0);
  }

  /** Ends the process, with its grace, and removes what the pod had on the machine. */
  async end({ graceMs }: { readonly graceMs: number }): Promise<void> {
    await this.#kill("SIGTERM", graceMs);
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }

  async #kill(signal: NodeJS.Signals, graceMs: number): Promise<void> {
    const child = this.#child;
    if (child === undefined || hasEnded(child)) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await gone;
    clearTimeout(timer);
  }

  #noteEnd(): void {
    const child = this.#child;
    if (child === undefined || !hasEnded(child)) return;
    this.#child = undefined;
    const reason = this.#isOutOfMemory ? "OOMKilled" : child.exitCode === 0 ? "Completed" : "Error";
    this.#ended = { reason, exitCode: child.exitCode ?? KILLED, finishedAt: new Date().toISOString() };
    this.#isOutOfMemory = false;
    const backOffMs = this.#restarts === 0 ? 0 : Math.min(MAX_RESTART_MS, RESTART_MS * 2 ** (this.#restarts - 1));
    this.#restarts += 1;
    this.#restartAt = Date.now() + backOffMs;
    const { name } = this.#container;
    const message = `back-off ${backOffMs / 1_000}s restarting failed container=${name} pod=${this.pod.metadata?.name}`;
    if (backOffMs > 0) this.#waiting = { reason: "CrashLoopBackOff", message };
  }

  async #start(): Promise<void> {
    const { image = "" } = this.#container;
    const tree = this.#parts.images.get(image);
    if (tree === undefined) {
      this.#pulls += 1;
      this.#waiting =
        this.#pulls % 2 === 1
          ? { reason: "ErrImagePull", message: `failed to pull and unpack image "${image}": not found` }
          : { reason: "ImagePullBackOff", message: `Back-off pulling image "${image}": ErrImagePull: not found` };
      this.#restartAt = Date.now() + RESTART_MS;
      return;
    }
    const directory = this.#directory ?? (await mkdtemp(path.join(tmpdir(), "skerry-pod-")));
    // Made once, and again when a start did not come to its end: the token and the files may not be there yet.
    if (this.#restarts === 0)
      for (const volume of this.pod.spec?.volumes ?? []) await this.#mount(volume, path.join(directory, volume.name));
    this.#directory = directory;
    this.#child = await this.#spawn(tree, directory);
    this.#startedAt = new Date().toISOString();
    this.#waiting = undefined;
  }

  /** The folder of one of its volumes. */
  volume(name: string): string {
    if (this.#directory === undefined) throw new Error(`${this.pod.metadata?.name} has no volumes yet`);
    return path.join(this.#directory, name);
  }

  get address(): string {
    return this.#parts.ip;
  }

  async #spawn(tree: string, directory: string): Promise<ChildProcess> {
    const [program = "", ...args] = this.#container.command ?? [];
    const env = await environmentOf(this.pod, { ...this.#parts, directory });
    const child = spawn(program === "node" ? process.execPath : program, args, {
      cwd: tree,
      env: { PATH: process.env["PATH"], ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const log = createWriteStream(this.#parts.kubernetes.logOfPod(this.pod.metadata?.name ?? ""), { flags: "a" });
    for (const stream of [child.stdout, child.stderr]) stream.pipe(log, { end: false });
    child.once("close", () => log.end());
    return child;
  }

  async #mount({ configMap, projected, secret }: V1Volume, folder: string): Promise<void> {
    const { kubernetes } = this.#parts;
    await mkdir(folder, { recursive: true });
    const { namespace, name, uid } = this.pod.metadata ?? {};
    if (configMap) {
      const { data = {} } = (await kubernetes.get(
        `/api/v1/namespaces/${namespace}/configmaps/${configMap.name}`,
      )) as V1ConfigMap;
      for (const [file, text] of Object.entries(data)) await writeFile(path.join(folder, file), text);
    }
    if (secret) {
      const texts = Object.entries(await secretOf(kubernetes, this.pod, secret.secretName));
      const named = (key: string): string | undefined =>
        secret.items === undefined ? key : secret.items.find((item) => item.key === key)?.path;
      for (const [key, text] of texts) {
        const file = named(key);
        if (file !== undefined) await writeFile(path.join(folder, file), text, { mode: 0o400 });
      }
    }
    for (const { serviceAccountToken: source } of projected?.sources ?? []) {
      if (!source) continue;
      const token = await kubernetes.tokenOf(`${namespace}/${this.pod.spec?.serviceAccountName ?? ""}`, {
        audiences: [source.audience ?? ""],
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
      });
      await writeFile(path.join(folder, source.path), token, { mode: 0o600 });
    }
  }

  /** What the kernel does to a container that exceeds its limit. */
  async #watchMemory(): Promise<void> {
    const limit = quantity(this.#container.resources?.limits?.["memory"]);
    const pid = this.#child?.pid;
    if (limit === undefined || pid === undefined || (await residentBytes(pid)) <= limit) return;
    this.#isOutOfMemory = true;
    await this.#kill("SIGKILL", 0);
    this.#noteEnd();
  }

  async #report(seen: V1Pod): Promise<void> {
    const status = this.#status();
    const text = JSON.stringify(status);
    const shownReady = seen.status?.conditions?.find(({ type }) => type === "Ready")?.status === "True";
    // The node controller says that pods of a silent machine are not ready: the machine says again that they are.
    if (text === this.#reported && shownReady === this.#isReady) return;
    const ready = this.#isReady ? "True" : "False";
    const now = new Date().toISOString();
    const own = [
      { type: "Ready", status: ready, lastTransitionTime: now },
      { type: "ContainersReady", status: ready, lastTransitionTime: now },
      ...(this.#evicted === undefined
        ? []
        : [{ type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet", message: this.#evicted }]),
    ];
    const others = (seen.status?.conditions ?? []).filter(({ type }) => own.every((each) => each.type !== type));
    const { namespace, name } = this.pod.metadata ?? {};
    await this.#parts.kubernetes.patch(`/api/v1/namespaces/${namespace}/pods/${name}/status`, {
      status: { ...status, conditions: [...others, ...own] },
    });
    this.#reported = text;
  }

  #status(): PodStatus {
    const { name, image = "" } = this.#container;
    const { ip } = this.#parts;
    const ended = this.#ended && { terminated: this.#ended };
    const isEvicted = this.#evicted !== undefined;
    const state =
      isEvicted && ended
        ? ended
        : this.#child
          ? { running: { startedAt: this.#startedAt } }
          : { waiting: this.#waiting ?? { reason: "ContainerCreating" } };
    const container = {
      name,
      image,
      imageID: this.#startedAt === "" ? "" : image,
      ready: this.#isReady,
      restartCount: this.#restarts,
      state,
      ...(ended && !isEvicted && { lastState: ended }),
    };
    return {
      phase: isEvicted ? "Failed" : this.#startedAt === "" ? "Pending" : "Running",
      ...(this.#evicted !== undefined && { reason: "Evicted", message: this.#evicted }),
      podIP: ip,
      podIPs: [{ ip }],
      containerStatuses: [container],
    };
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

/** What the readiness probe of the container says. */
function answers({ readinessProbe, ports = [] }: V1Container, host: string): Promise<boolean> {
  const probe = readinessProbe?.httpGet;
  const port = ports.find(({ name }) => name === String(probe?.port))?.containerPort ?? Number(probe?.port);
  return new Promise((resolve) => {
    const send = probe?.scheme === "HTTPS" ? requestWithTls : request;
    const target = { host, port, path: probe?.path ?? "/", timeout: PROBE_TIMEOUT_MS };
    // A kubelet verifies no certificate either.
    const call = send({ ...target, rejectUnauthorized: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    call.on("timeout", () => call.destroy(new Error("no answer in time")));
    call.on("error", () => resolve(false));
    call.end();
  });
}
