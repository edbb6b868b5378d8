import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { generateKeyPairSync } from "node:crypto";
import { request } from "node:https";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { KubeConfig } from "@kubernetes/client-node";
import { freePort, until } from "../../support/processes/skerry-process.ts";
import { type ApiResponse, KubernetesApi, messageIn } from "../../../control-plane/adapters/kubernetes/api-client.ts";
import { kubeconfig } from "../../../control-plane/adapters/kubernetes/kubeconfig.ts";
import { auditFlags } from "./audit.ts";

const VERSION = "1.36.3";
const FOLDER =
  process.env["KUBEBUILDER_ASSETS"] ??
  path.join(process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "skerry", `kubernetes-${VERSION}`);
/** The token of the cluster's admin. */
export const ADMIN = "admin-token-of-the-test";
const REQUEST_MS = 10_000;
const run = promisify(execFile);

/** A real etcd, API server, controller manager and scheduler on loopback. What is missing is the kubelet. */
export class Kubernetes {
  /** The folder of the programs. */
  static readonly programs = FOLDER;
  readonly directory: string;
  readonly url: string;
  readonly #children: ChildProcess[] = [];
  readonly #etcd: string;
  readonly #apiArgs: readonly string[];
  #apiServer: ChildProcess | undefined;

  private constructor(directory: string, { url, etcd }: { url: string; etcd: string }, apiArgs: readonly string[]) {
    this.directory = directory;
    this.url = url;
    this.#etcd = etcd;
    this.#apiArgs = apiArgs;
  }

  /** Throws, saying how to get them, when the programs are not there. */
  static async start(): Promise<Kubernetes> {
    if (!existsSync(path.join(FOLDER, "kube-apiserver")))
      throw new Error(
        `no Kubernetes in ${FOLDER}: run test/kubernetes/assets/build.sh (Go, 5 minutes), or set KUBEBUILDER_ASSETS`,
      );
    const directory = await mkdtemp(path.join(tmpdir(), "skerry-kubernetes-"));
    const [client, peer, secure] = await Promise.all([freePort(), freePort(), freePort()]);
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
    await writeFile(path.join(directory, "sa.key"), privateKey.export({ type: "pkcs8", format: "pem" }), {
      mode: 0o600,
    });
    await writeFile(path.join(directory, "sa.pub"), publicKey.export({ type: "spki", format: "pem" }));
    await writeFile(path.join(directory, "tokens.csv"), `${ADMIN},admin,admin,system:masters\n`, { mode: 0o600 });
    const etcd = `http://127.0.0.1:${client}`;
    const kubernetes = new Kubernetes(
      directory,
      { url: `https://127.0.0.1:${secure}`, etcd },
      flags({
        "etcd-servers": etcd,
        "cert-dir": path.join(directory, "certs"),
        "secure-port": secure,
        "bind-address": "127.0.0.1",
        "authorization-mode": "Node,RBAC",
        "service-cluster-ip-range": "10.0.0.0/24",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": path.join(directory, "sa.pub"),
        "service-account-signing-key-file": path.join(directory, "sa.key"),
        "api-audiences": "https://kubernetes.default.svc,skerry-join",
        "token-auth-file": path.join(directory, "tokens.csv"),
        ...(await auditFlags(directory)),
      }),
    );
    const peers = `http://127.0.0.1:${peer}`;
    kubernetes.#spawn(
      "etcd",
      flags({
        "data-dir": path.join(directory, "etcd"),
        "unsafe-no-fsync": true,
        "listen-client-urls": etcd,
        "advertise-client-urls": etcd,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": `default=${peers}`,
      }),
    );
    kubernetes.startApiServer();
    await kubernetes.whenReady();
    const kubeconfig = await kubernetes.kubeconfig("admin", ADMIN);
    const own = {
      kubeconfig,
      "authentication-kubeconfig": kubeconfig,
      "authorization-kubeconfig": kubeconfig,
      "leader-elect": false,
      "secure-port": 0,
    };
    const key = path.join(directory, "sa.key");
    const manager = { ...own, "service-account-private-key-file": key, "use-service-account-credentials": true };
    kubernetes.#spawn("kube-controller-manager", flags(manager));
    kubernetes.#spawn("kube-scheduler", flags(own));
    return kubernetes;
  }

  /** What the pod of this name prints. */
  logOfPod(name: string): string {
    return path.join(this.directory, `${name}.log`);
  }

  startApiServer(): void {
    this.#apiServer = this.#spawn("kube-apiserver", this.#apiArgs);
  }

  /** As a power cut would. */
  async killApiServer(): Promise<void> {
    const child = this.#apiServer;
    if (!child) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  whenReady(): Promise<true> {
    return until(
      "the API server is ready",
      // It knows the roles only when it says so: before, it refuses what they allow.
      () =>
        this.#send("GET", "/readyz", {}, "application/json").then(
          () => true,
          () => false,
        ),
      60_000,
    );
  }

  /** Has etcd forget every earlier revision than the newest. */
  async compactEtcd(): Promise<void> {
    const call = async (path: string, body: object): Promise<{ header: { revision: string } }> => {
      const answer = await fetch(`${this.#etcd}/v3/kv/${path}`, { method: "POST", body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`etcd ${path}: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as { header: { revision: string } };
    };
    const { header } = await call("range", { key: Buffer.from("/").toString("base64") });
    await call("compaction", { revision: header.revision, physical: true });
  }

  /** One request as the cluster's admin. */
  async admin(method: "GET" | "POST", path: string, body?: object): Promise<ApiResponse> {
    return apiOf(this.url, ADMIN).call(method, path, body);
  }

  /** One object or list as the cluster's admin. Throws when it is not there. */
  async get(path: string): Promise<unknown> {
    const { status, body } = await this.admin("GET", path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${messageIn(body)}`);
    return body;
  }

  /** Merges `body` into an object as the cluster's admin. */
  patch(path: string, body: object): Promise<void> {
    return this.#send("PATCH", path, body, "application/merge-patch+json");
  }

  delete(path: string, options: object = {}): Promise<void> {
    return this.#send("DELETE", path, options, "application/json");
  }

  /** A new token of a service account, `namespace/name`. The controller manager makes `default` a while after its namespace. */
  async tokenOf(account: string, spec: object = {}): Promise<string> {
    const [namespace, name] = account.split("/");
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec };
    const answer = await until(`the service account ${account} is there`, async () => {
      const tried = await this.admin("POST", path, body);
      return tried.status === 404 ? undefined : tried;
    });
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${messageIn(answer.body)}`);
    return (answer.body as { status: { token: string } }).status.token;
  }

  /** A file for `KUBECONFIG` with this token. `url`: of what stands before the API server. */
  async kubeconfig(name: string, token: string, url = this.url): Promise<string> {
    const file = path.join(this.directory, `${name}.kubeconfig`);
    await writeFile(file, configOf(url, token).exportConfig(), { mode: 0o600 });
    return file;
  }

  /**
   * `kubectl`, as admin; `input` goes to its standard input, `env` to its environment. Resolves with what it printed; rejects
   * when it fails.
   */
  async kubectl(args: readonly string[], input = "", env: NodeJS.ProcessEnv = {}): Promise<string> {
    const config = await this.kubeconfig("admin", ADMIN);
    const child = run(path.join(FOLDER, "kubectl"), ["--kubeconfig", config, ...args], {
      maxBuffer: 64 * 1_024 * 1_024,
      env: { ...process.env, ...env },
    });
    child.child.stdin?.end(input);
    const { stdout, stderr } = await child;
    return stdout + stderr;
  }

  async stop(): Promise<void> {
    const gone = this.#children.map(
      (child) =>
        new Promise((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) resolve(undefined);
          else child.once("exit", resolve);
        }),
    );
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(gone);
    await rm(this.directory, { recursive: true, force: true });
  }

  #send(method: string, path: string, body: object, type: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const text = JSON.stringify(body);
      // Said by us: node:http sends the body of a DELETE without a length otherwise, and the server takes it for a request.
      const length = Buffer.byteLength(text);
      const headers = { authorization: `Bearer ${ADMIN}`, "content-type": type, "content-length": length };
      const signal = AbortSignal.timeout(REQUEST_MS);
      const options = { method, headers, rejectUnauthorized: false, signal };
      const call = request(this.url + path, options, (answer) => {
        let said = "";
        answer.setEncoding("utf8");
        answer.on("data", (part: string) => (said += part));
        answer.on("error", reject); // the server was killed in the middle of it
        answer.on("end", () => {
          const { statusCode = 0 } = answer;
          if (statusCode < 300 || statusCode === 404) resolve();
          else reject(new Error(`${method} ${path}: ${statusCode} ${said.slice(0, 300)}`));
        });
      });
      call.on("error", reject);
      call.end(text);
    });
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(path.join(FOLDER, program), args, { stdio: ["ignore", "pipe", "pipe"] });
    const log = createWriteStream(path.join(this.directory, `${program}.log`), { flags: "a" });
    for (const stream of [child.stdout, child.stderr]) stream?.pipe(log, { end: false });
    this.#children.push(child);
    return child;
  }
}

const flags = (values: Readonly<Record<string, string | number | boolean>>): readonly string[] =>
  Object.entries(values).map(([name, value]) => `--${name}=${value}`);

/** The API server's certificate is made at its start, for this test alone. */
function configOf(url: string, token: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: "test", server: url, skipTLSVerify: true }],
    users: [{ name: "test", token }],
    contexts: [{ name: "test", cluster: "test", user: "test" }],
    currentContext: "test",
  });
  return config;
}

/** Requests with this token. */
export const apiOf = (url: string, token: string): KubernetesApi => new KubernetesApi(kubeconfig(configOf(url, token)));
