import { readFile, rm } from "node:fs/promises";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import type { z } from "zod";
import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { Placement } from "../../../shared/api/v1/deployments/placements.ts";
import type { SkerryEvent } from "../../../shared/api/v1/events.ts";
import type { declaredVersion, ModelVersion } from "../../../shared/api/v1/models.ts";
import type { Node } from "../../../shared/api/v1/nodes/nodes.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import { ensureDirectory, freePort, SkerryProcess, until } from "./skerry-process.ts";
import { workFolder } from "./compile-cache.ts";
import { MadeSecrets } from "./made-secrets.ts";

const TOO_MANY = 429;
const UNAVAILABLE = 503;
/** For as long as PostgreSQL may be away without a test that asks for something noticing it, in ms. */
const LATER_MS = 30_000;
const CHECK_MS = 120_000;
/** A start takes 2 s of a processor, and ten times as long where others want it too. One that ends is noticed at once. */
const START_MS = 60_000;

type DeclaredVersion = z.infer<typeof declaredVersion>;

const sha256Of = async (bytes: Uint8Array): Promise<string> =>
  Buffer.from(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))).toString("hex");

interface NodeOptions {
  readonly site?: string;
  readonly kind?: "edge" | "cloud";
  /** More of its settings. */
  readonly env?: NodeJS.ProcessEnv;
  /** Its models answer piece by piece, as each request asks (`pieces-host.ts`). */
  readonly answersInPieces?: boolean;
  /** Its token wants an approval: it is left waiting for one. */
  readonly needsApproval?: boolean;
}

/** One node process of a cluster, on a state folder that outlives it. */
export interface ClusterNode {
  readonly name: string;
  readonly localUrl: string;
  readonly stateDir: string;
  process: SkerryProcess;
  /** Starts it again on the same state. */
  restart(): void;
}

/** Whose programs run, and how. */
interface Build {
  /** The folder of another build, which a benchmark compares with this one. */
  readonly checkout?: string | undefined;
  /** What each program is started by, e.g. as another user. */
  readonly under?: readonly string[];
}

/** A real control plane and real nodes, each a process of its own, against a real database. */
export class SkerryCluster {
  readonly #directory: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #checkout: string | undefined;
  readonly #under: readonly string[] | undefined;
  readonly port: number;
  readonly url: string;
  readonly nodes = new Map<string, ClusterNode>();
  #controlPlane: SkerryProcess;
  #adminKey = "";
  readonly #secrets = new MadeSecrets();

  private constructor(directory: string, port: number, env: NodeJS.ProcessEnv, build: Build) {
    this.#directory = directory;
    this.#checkout = build.checkout;
    this.#under = build.under;
    this.port = port;
    this.url = `${env["SKERRY_TLS"] === "own" ? "https" : "http"}://127.0.0.1:${port}`;
    this.#env = env;
    this.#controlPlane = this.#spawnControlPlane();
  }

  /**
   * Starts a control plane on `databaseUrl` and waits until it is ready. `env`: more of its settings.
   */
  static async start(databaseUrl: string, env: NodeJS.ProcessEnv = {}, build: Build = {}): Promise<SkerryCluster> {
    const directory = await mkdtemp(path.join(tmpdir(), "skerry-cluster-"));
    const port = Number(env["SKERRY_PORT"] ?? (await freePort()));
    const settings = { DATABASE_URL: databaseUrl, SKERRY_PORT: String(port), ...env };
    const cluster = new SkerryCluster(directory, port, settings, build);
    try {
      await cluster.whenControlPlaneReady();
      cluster.#adminKey = (await readFile(path.join(directory, "admin.key"), "utf8")).trim();
      cluster.#secrets.add(cluster.#adminKey, "the first admin key");
      return cluster;
    } catch (error) {
      // Nobody else holds it: what it started would outlive the test file.
      await cluster.stop();
      throw error;
    }
  }

  get controlPlane(): SkerryProcess {
    return this.#controlPlane;
  }

  get adminKey(): string {
    return this.#adminKey;
  }

  get directory(): string {
    return this.#directory;
  }

  /** Starts another control plane on the same database and files, which listens on `port`. The caller stops it. */
  addControlPlane(port: number, env: NodeJS.ProcessEnv = {}): SkerryProcess {
    return this.#spawnControlPlane({ SKERRY_PORT: String(port), ...env }, `control-plane-${port}.log`);
  }

  /** Starts it again. `env`: settings that differ from those of the start. */
  restartControlPlane(env: NodeJS.ProcessEnv = {}): void {
    this.#controlPlane = this.#spawnControlPlane(env);
  }

  whenControlPlaneReady(): Promise<true> {
    return until(
      "the control plane is ready",
      async () => {
        await this.#trustOwnAuthority();
        const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
        if (this.#controlPlane.child.exitCode !== null)
          throw new Error(`the control plane ended: ${this.#controlPlane.output}`);
        return answer?.ok === true;
      },
      START_MS,
    );
  }

  /** Of a control plane that serves TLS with one: what this process asks verifies by it too. */
  get authorityFile(): string {
    return path.join(this.#directory, "control-plane", "tls", "ca.pem");
  }

  async #trustOwnAuthority(): Promise<void> {
    if (!this.url.startsWith("https:")) return;
    const pem = await readFile(this.authorityFile, "utf8").catch(() => undefined);
    if (pem !== undefined && !getCACertificates("default").includes(pem))
      setDefaultCACertificates([...getCACertificates("default"), pem]);
  }

  /** Throws when a log of its programs has a secret that was made through this cluster. */
  async stop(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.process.stop()));
    await this.#controlPlane.stop();
    const found = await this.#secrets.foundIn(this.#directory);
    await rm(this.#directory, { recursive: true, force: true });
    if (found.length > 0) throw new Error(`secrets in logs: ${found.join("; ")}`);
  }

  /** Joins a node with a token of its own and waits until it is ready, or waits for its approval. */
  async addNode(name: string, options: NodeOptions = {}): Promise<ClusterNode> {
    const { kind = "edge", site = name, env = {}, needsApproval = false } = options;
    const { token } = await this.post<{ token: string }>("/join-tokens", { kind, site, name, needsApproval });
    const port = await freePort();
    const stateDir = await ensureDirectory(path.join(this.#directory, name));
    // A program that another user runs makes its folders itself: in one of this user's it may not write.
    if (this.#under === undefined) workFolder(stateDir);
    const spawn = (): SkerryProcess =>
      new SkerryProcess(options.answersInPieces === true ? "test/support/fakes/pieces-node.ts" : "edge-node/main.ts", {
        env: {
          SKERRY_STATE_DIR: stateDir,
          SKERRY_LOCAL_PORT: String(port),
          SKERRY_LOCAL_URL: `http://127.0.0.1:${port}`,
          SKERRY_URL: this.url,
          SKERRY_JOIN_TOKEN: token,
          SKERRY_NODE_NAME: name,
          SKERRY_NODE_KIND: kind,
          ...env,
        },
        log: path.join(this.#directory, `${name}.log`),
        checkout: this.#checkout,
        under: this.#under,
      });
    const node: ClusterNode = {
      name,
      localUrl: `http://127.0.0.1:${port}`,
      stateDir,
      process: spawn(),
      restart() {
        node.process = spawn();
      },
    };
    this.nodes.set(name, node);
    await this.whenNode(name, needsApproval ? "waiting" : "ready", START_MS);
    return node;
  }

  whenNode(name: string, state: Node["state"], timeoutMs = 30_000): Promise<Node> {
    return until(
      `${name} is ${state}`,
      async () => (await this.#find<Node>("/nodes", name, (node) => node.state === state)) ?? false,
      timeoutMs,
    );
  }

  /** Waits until the node's own address answers for everything it should serve. */
  whenLocalReady(node: ClusterNode): Promise<true> {
    return until(
      `${node.name} is ready on its own address`,
      async () => (await fetch(`${node.localUrl}/v2/health/ready`).catch(() => undefined))?.ok === true,
    );
  }

  /** Publishes a file as the next version of a model and waits for its check. `over`: more of its declaration. */
  async publish(model: string, file: Uint8Array, over: object = {}): Promise<ModelVersion> {
    const { uploadUrl, version } = await this.declare(model, file, over);
    await this.upload(uploadUrl, file);
    return this.#checked(uploadUrl, version);
  }

  /** Publishes several files, by their paths, as the next version of a model and waits for its check. `over`: more of its declaration. */
  async publishBundle(
    model: string,
    files: Readonly<Record<string, Uint8Array>>,
    over: object = {},
  ): Promise<ModelVersion> {
    await this.request("POST", "/models", { name: model }, { accept: [201, 409] });
    const declared: { path: string; bytes: number; sha256: string }[] = [];
    for (const [path, bytes] of Object.entries(files))
      declared.push({ path, bytes: bytes.byteLength, sha256: await sha256Of(bytes) });
    const { version, uploadUrl, uploads } = await this.post<DeclaredVersion>(`/models/${model}/versions`, {
      files: declared,
      ...over,
    });
    for (const upload of uploads) await this.upload(upload.uploadUrl, files[upload.path] ?? new Uint8Array());
    return this.#checked(uploadUrl, version);
  }

  async #checked(uploadUrl: string, version: ModelVersion): Promise<ModelVersion> {
    await this.request("POST", `${uploadUrl.replace("/api/v1", "")}/complete`);
    const look = async (): Promise<ModelVersion | undefined> => {
      const found = await this.get<ModelVersion>(`/models/${version.model}/versions/${version.version}`);
      return found.state === "ready" || found.state === "rejected" ? found : undefined;
    };
    // The check gives way to all else: a large file takes a while on a busy machine.
    return until("the version is checked", look, CHECK_MS);
  }

  async declare(
    model: string,
    file: Uint8Array,
    over: object = {},
  ): Promise<{ uploadUrl: string; version: ModelVersion }> {
    await this.request("POST", "/models", { name: model }, { accept: [201, 409] });
    const sha256 = await sha256Of(file);
    return this.post(`/models/${model}/versions`, { bytes: file.byteLength, sha256, ...over });
  }

  async upload(uploadUrl: string, bytes: Uint8Array): Promise<void> {
    const answer = await fetch(`${this.url}${uploadUrl}?offset=0`, {
      method: "PUT",
      headers: { authorization: `Bearer ${this.#adminKey}`, "content-type": "application/octet-stream" },
      body: new Uint8Array(bytes),
    });
    if (!answer.ok) throw new Error(`upload: ${answer.status} ${await answer.text()}`);
  }

  async deploy(spec: {
    name: string;
    model: string;
    version: number | string;
    [field: string]: unknown;
  }): Promise<Deployment> {
    return (await this.request("PUT", `/deployments/${spec.name}`, spec)) as Deployment;
  }

  whenDeploymentReady(name: string, timeoutMs = 30_000): Promise<Deployment> {
    let conditions: Deployment["status"]["conditions"] = [];
    return until(
      `deployment ${name} is ready`,
      async () => {
        const found = await this.get<Deployment>(`/deployments/${name}`);
        conditions = found.status.conditions;
        return conditions.some(({ type, status }) => type === "Ready" && status === "True") ? found : undefined;
      },
      timeoutMs,
    ).catch((error: unknown) => {
      const told = conditions.map(({ type, message }) => `${type}: ${message}`).join("; ");
      throw new Error(`${messageOf(error)} (${told})`, { cause: error });
    });
  }

  async placements(deployment: string): Promise<readonly Placement[]> {
    return (await this.get<{ items: Placement[] }>(`/deployments/${deployment}/placements`)).items;
  }

  async events(): Promise<readonly SkerryEvent[]> {
    return (await this.get<{ items: SkerryEvent[] }>("/events?limit=500")).items;
  }

  get<Body>(resource: string): Promise<Body> {
    return this.request("GET", resource) as Promise<Body>;
  }

  post<Body>(resource: string, body: object): Promise<Body> {
    return this.request("POST", resource, body) as Promise<Body>;
  }

  /**
   * Throws on a status that is not of success or in `accept`. Told to come back later, it does: several ask with one key, and on a
   * busy machine PostgreSQL may take longer to answer a question than the control plane waits.
   */
  async request(method: string, resource: string, body?: object, { accept = [] as number[] } = {}): Promise<unknown> {
    const end = performance.now() + LATER_MS;
    for (;;) {
      const answer = await this.#ask(method, resource, body);
      const { status } = answer;
      const isLater = status === TOO_MANY || (status === UNAVAILABLE && method === "GET" && performance.now() < end);
      if (!isLater || accept.includes(status)) return this.#read(answer, `${method} ${resource}`, accept);
      await answer.arrayBuffer();
      await sleep(1_000 * Math.max(1, Number(answer.headers.get("retry-after"))));
    }
  }

  async #read(answer: Response, question: string, accept: readonly number[]): Promise<unknown> {
    const text = await answer.text();
    if (!answer.ok && !accept.includes(answer.status)) throw new Error(`${question}: ${answer.status} ${text}`);
    if (text === "") return undefined;
    const told: unknown = JSON.parse(text);
    this.#secrets.addFrom(told, question);
    return told;
  }

  #ask(method: string, resource: string, body: object | undefined): Promise<Response> {
    return fetch(`${this.url}/api/v1${resource}`, {
      method,
      headers: { authorization: `Bearer ${this.#adminKey}`, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  }

  /** One inference at the control plane, or at `base`. */
  infer(
    model: string,
    body: object,
    { base = this.url, headers = {} as Record<string, string> } = {},
  ): Promise<Response> {
    return fetch(`${base}/v2/models/${model}/infer`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#adminKey}`, "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    });
  }

  async #find<Item extends { name: string }>(
    list: string,
    name: string,
    holds: (item: Item) => boolean,
  ): Promise<Item | undefined> {
    const { items } = await this.get<{ items: Item[] }>(list);
    return items.find((item) => item.name === name && holds(item));
  }

  #spawnControlPlane(env: NodeJS.ProcessEnv = {}, log = "control-plane.log"): SkerryProcess {
    return new SkerryProcess("control-plane/main.ts", {
      env: {
        SKERRY_DATA_DIR: path.join(this.#directory, "control-plane"),
        SKERRY_ADMIN_KEY_FILE: path.join(this.#directory, "admin.key"),
        ...this.#env,
        ...env,
      },
      log: path.join(this.#directory, log),
      checkout: this.#checkout,
      under: this.#under,
    });
  }
}
