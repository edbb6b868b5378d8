import { spawn } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { VERSION } from "../../shared/base/version.ts";
import { S3_CREDENTIALS, S3Server } from "../support/object-store/s3-server.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { until } from "../support/processes/skerry-process.ts";
import { Kubernetes } from "./support/kubernetes.ts";
import { ProcessKubelet } from "./support/process-kubelet.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
let kubernetes: Kubernetes;
let database: TestDatabase;
let server: S3Server;
let kubelet: ProcessKubelet;
let directory: string;
/** What the page says, and what it is here. */
const here: [said: string, is: string][] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-cluster-page-"));
  kubernetes = await Kubernetes.start();
  database = await startTestDatabase();
  server = await S3Server.start();
  // The account is made by the page; its token is asked for when it is there.
  const config = path.join(directory, "control-plane.kubeconfig");
  kubelet = await ProcessKubelet.start(kubernetes, {
    name: "machine-1",
    zone: "north",
    images: new Map([[`skerry:${VERSION}`, ROOT]]),
    env: { KUBECONFIG: config },
  });
  await mkdir(path.join(directory, "bin"));
  for (const folder of ["deploy", "examples"]) await symlink(path.join(ROOT, folder), path.join(directory, folder));
  await program("skerry", `exec "${process.execPath}" "${path.join(ROOT, "cli/main.ts")}" "$@"`);
  const kubectl = path.join(Kubernetes.programs, "kubectl");
  await program(
    "kubectl",
    `exec "${kubectl}" --kubeconfig "${path.join(kubernetes.directory, "admin.kubeconfig")}" "$@"`,
  );
  here.push(
    ["postgresql://skerry:PASSWORD@db.example:5432/skerry", database.url],
    ["https://s3.example", server.url],
    ["AWS_ACCESS_KEY_ID=ID", `AWS_ACCESS_KEY_ID=${S3_CREDENTIALS.AWS_ACCESS_KEY_ID}`],
    ["AWS_SECRET_ACCESS_KEY=SECRET", `AWS_SECRET_ACCESS_KEY=${S3_CREDENTIALS.AWS_SECRET_ACCESS_KEY}`],
  );
}, 120_000);

afterAll(async () => {
  await kubelet?.stop();
  await database?.stop();
  await server?.stop();
  await kubernetes?.stop();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

async function program(name: string, script: string): Promise<void> {
  const file = path.join(directory, "bin", name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

/** The blocks of the section, as they are written here. */
async function blocks(language: string): Promise<readonly string[]> {
  const page = await readFile(path.join(ROOT, "docs/kubernetes.md"), "utf8");
  const section = page.split("\n## From nothing to a served model\n")[1]?.split("\n## ")[0] ?? "";
  const found = [...section.matchAll(/^```(\w*)\n(.*?)^```$/gms)];
  return found.flatMap(([, of, block = ""]) =>
    of === language ? [here.reduce((text, [said, is]) => text.replaceAll(said, is), block)] : [],
  );
}

async function run(script: string): Promise<string> {
  const shell = spawn("bash", ["-euc", script], {
    cwd: directory,
    env: { HOME: directory, PATH: `${path.join(directory, "bin")}:${process.env["PATH"]}` },
  });
  let output = "";
  for (const stream of [shell.stdout, shell.stderr]) stream.on("data", (bytes: Buffer) => (output += bytes.toString()));
  const code = await new Promise((resolve) => shell.once("close", resolve));
  expect({ script, code, output }).toMatchObject({ code: 0 });
  return output;
}

/** The addresses of the control planes. */
const addresses = async (): Promise<readonly string[]> => {
  const args = ["-n", "skerry", "get", "pods", "-l", "app.kubernetes.io/name=skerry-control-plane", "-o", "name"];
  const pods = (await kubernetes.kubectl(args)).trim().split("\n");
  return pods.map((pod) => `http://${kubelet.address(pod.replace("pod/", ""))}:7070`);
};

describe("docs/kubernetes.md, from nothing to a served model", () => {
  it("brings up a whole Skerry with kubectl alone, whose pods are nodes", async () => {
    const [apply = ""] = await blocks("sh");
    const config = kubernetes.tokenOf("skerry/skerry-control-plane").then(async (token) => {
      const file = await kubernetes.kubeconfig("control-plane", token);
      await copyFile(file, path.join(directory, "control-plane.kubeconfig"));
    });
    const output = await run(apply);
    await config;
    expect(output).toContain('deployment "skerry-control-plane" successfully rolled out');
    expect(output).toContain('deployment "skerry-node" successfully rolled out');
  }, 300_000);

  it("lets the command line in with the key that was made, at each of two control planes", async () => {
    const [, login = ""] = await blocks("sh");
    const urls = await addresses();
    expect(urls).toHaveLength(2);
    for (const url of urls) {
      // There is no kubelet to carry a stream: what the command gives comes from where the pod is.
      const script = login.replace(/^kubectl .* port-forward .*\n/m, "").replace("http://127.0.0.1:7070", url);
      expect(script).not.toContain("kubectl");
      expect(await run(script)).toMatch(/skerry-node-\S+\s+cloud\s+cloud\s+ready/);
    }
  }, 60_000);

  it("serves a model that kubectl declared", async () => {
    const [yaml = ""] = await blocks("yaml");
    await writeFile(path.join(directory, "digits.yaml"), yaml);
    const [, , declare = "", infer = ""] = await blocks("sh");
    expect(await run(declare)).toMatch(/digits\s+True\s+AllReplicasReady\s+digits\s+champion/);
    expect(await run(infer)).toContain("skerry-node-");
    // The one node that has the model is connected to one of the control planes: the other one forwards.
    for (const url of await addresses()) {
      const target = `export SKERRY_SERVER=${url} SKERRY_API_KEY="$(cat admin.key)"\n`;
      // One of them hears of it a moment after the other.
      await run(`${target}skerry deployments get digits --wait`);
      expect(await run(target + infer)).toContain("skerry-node-");
    }
    await kubernetes.kubectl(["-n", "skerry", "delete", "mdep", "digits", "--timeout=60s"]);
    await until("it is gone", async () => !(await run("skerry deployments ls")).includes("digits"), 30_000);
  }, 300_000);
});
