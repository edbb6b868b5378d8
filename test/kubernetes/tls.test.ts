import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { OwnAuthority } from "../../control-plane/adapters/tls/own-authority.ts";
import { VERSION } from "../../shared/base/version.ts";
import { S3_CREDENTIALS, S3Server } from "../support/object-store/s3-server.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { Kubernetes } from "./support/kubernetes.ts";
import { NETWORK, ProcessKubelet } from "./support/process-kubelet.ts";

/** The overlay production with the component tls: two control planes with certificates of a Secret, and nodes as pods. */

const ROOT = path.resolve(import.meta.dirname, "../..");
const DEPLOY = path.join(ROOT, "deploy/kustomize");
const PODS = 40;
const ADMIN_KEY = `sk_0123456789ab_${"k".repeat(43)}`;
const execute = promisify(execFile);

let kubernetes: Kubernetes;
let database: TestDatabase;
let store: S3Server;
let kubelet: ProcessKubelet;
let directory: string;
let authority: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-cluster-tls-"));
  kubernetes = await Kubernetes.start();
  database = await startTestDatabase();
  store = await S3Server.start();
  // There is no name service: where a cluster has the name of the Service, this one has addresses of pods.
  const addresses = Array.from({ length: PODS }, (_, n) => `${NETWORK}.${n + 1}`);
  const folder = path.join(directory, "authority");
  const { cert, key } = await new OwnAuthority(folder, () => Date.now()).certificateFor([
    "skerry-control-plane",
    ...addresses,
  ]);
  authority = path.join(folder, "ca.pem");
  const files = { "tls.crt": cert, "tls.key": key, "admin.key": `${ADMIN_KEY}\n` };
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(directory, name), text);
  kubelet = await ProcessKubelet.start(kubernetes, {
    name: "machine-1",
    zone: "north",
    images: new Map([[`skerry:${VERSION}`, ROOT]]),
    env: { KUBECONFIG: path.join(directory, "control-plane.kubeconfig") },
  });
}, 300_000);

afterAll(async () => {
  await kubelet?.stop();
  await database?.stop();
  await store?.stop();
  await kubernetes?.stop();
  await rm(directory, { recursive: true, force: true });
}, 90_000);

const secret = (name: string, ...from: readonly string[]): Promise<string> =>
  kubernetes.kubectl(["-n", "skerry", "create", "secret", "generic", name, ...from]);

const podsOf = async (name: string): Promise<readonly string[]> => {
  const args = ["-n", "skerry", "get", "pods", "-l", `app.kubernetes.io/name=${name}`, "-o", "name"];
  return (await kubernetes.kubectl(args))
    .trim()
    .split("\n")
    .map((pod) => pod.replace("pod/", ""));
};

async function skerry(server: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(process.execPath, [path.join(ROOT, "cli/main.ts"), ...args], {
    env: {
      PATH: process.env["PATH"],
      HOME: directory,
      SKERRY_SERVER: server,
      SKERRY_CA_FILE: authority,
      SKERRY_API_KEY: ADMIN_KEY,
    },
  });
  return stdout;
}

describe("the component tls", () => {
  it("brings up control planes that serve TLS, and nodes that verify them", async () => {
    await kubernetes.kubectl(["apply", "-f", path.join(DEPLOY, "base/namespace.yaml")]);
    await secret("skerry-database", `--from-literal=url=${database.url}`);
    const credentials = Object.entries({
      SKERRY_OBJECT_STORE: "s3://models/skerry",
      AWS_ENDPOINT_URL_S3: store.url,
      ...S3_CREDENTIALS,
    });
    await secret("skerry-object-store", ...credentials.map(([name, value]) => `--from-literal=${name}=${value}`));
    await secret("skerry-admin", `--from-file=${path.join(directory, "admin.key")}`);
    const tls = ["tls.crt", "tls.key"].map((name) => `--from-file=${path.join(directory, name)}`);
    await secret("skerry-tls", ...tls, `--from-file=ca.crt=${authority}`);
    const at = (place: string): string => path.relative(directory, path.join(DEPLOY, place));
    await writeFile(
      path.join(directory, "kustomization.yaml"),
      JSON.stringify({ resources: [at("overlays/production")], components: [at("components/tls")] }),
    );
    await kubernetes.kubectl(["apply", "-k", directory]);
    const config = await kubernetes.kubeconfig(
      "control-plane",
      await kubernetes.tokenOf("skerry/skerry-control-plane"),
    );
    await copyFile(config, path.join(directory, "control-plane.kubeconfig"));
    for (const name of ["skerry-control-plane", "skerry-node"])
      expect(
        await kubernetes.kubectl(["-n", "skerry", "rollout", "status", `deploy/${name}`, "--timeout=4m"]),
      ).toContain("successfully rolled out");
  }, 400_000);

  it("serves a model at each of them, the other one forwarding over TLS", async () => {
    const urls = (await podsOf("skerry-control-plane")).map((pod) => `https://${kubelet.address(pod)}:7070`);
    expect(urls).toHaveLength(2);
    const [url = ""] = urls;
    expect(await skerry(url, "nodes", "ls")).toMatch(/skerry-node-\S+\s+cloud\s+cloud\s+ready/);
    const file = path.join(ROOT, "examples/digits/models/digits.onnx");
    await skerry(url, "models", "push", file, "--model", "digits", "--alias", "champion", "--wait");
    const spec = path.join(directory, "digits.yaml");
    await writeFile(spec, "name: digits\nmodel: digits\nversion: champion\nplacement: { cloud: { min: 1, max: 1 } }\n");
    await skerry(url, "apply", "-f", spec, "--wait");
    const blank = path.join(directory, "blank.f32");
    await writeFile(blank, Buffer.alloc(28 * 28 * 4));
    // The other control plane hears of it a moment later.
    for (const each of urls) await skerry(each, "deployments", "get", "digits", "--wait");
    for (const each of urls)
      expect(await skerry(each, "infer", "digits", "--input", `image=@${blank}`)).toContain("probabilities");
  }, 120_000);

  it("answers nothing in plain text", async () => {
    const [pod = ""] = await podsOf("skerry-control-plane");
    await expect(fetch(`http://${kubelet.address(pod)}:7070/livez`)).rejects.toThrow("fetch failed");
  });

  it("gives nodes the authority and no key", async () => {
    const [pod = ""] = await podsOf("skerry-node");
    const folder = kubelet.volume(pod, "tls");
    expect(await readdir(folder)).toEqual(["ca.crt"]);
    expect(await readFile(path.join(folder, "ca.crt"), "utf8")).toBe(await readFile(authority, "utf8"));
  });
});
