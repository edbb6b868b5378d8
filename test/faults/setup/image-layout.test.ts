import { execFile } from "node:child_process";
import { chmod, copyFile, constants, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { tinyGguf } from "../../support/models/text/tiny-gguf.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { asInAPod, mayMount } from "../../support/processes/as-in-a-pod.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const run = promisify(execFile);
const MAX_IMAGE_BYTES = 350e6;
/** What is below Node in node:24-slim: Debian's slim image has 75 MB. */
const DEBIAN_BYTES = 80e6;

let directory: string;
let image: string;
/** The image has a Node that everybody may read; that of a checkout may be in a private folder. */
let node: string;
let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-image-"));
  await chmod(directory, 0o755);
  image = path.join(directory, "app");
  node = path.join(directory, "node");
  await copyFile(process.execPath, node, constants.COPYFILE_FICLONE);
  await run(process.execPath, [path.join(ROOT, "deploy/docker/layout.mjs"), image]);
  database = await startTestDatabase();
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
  await rm(directory, { recursive: true, force: true });
});

const ask = async (address: string, body: object): Promise<unknown> => {
  const answer = await fetch(`${cluster.url}${address}`, {
    method: "POST",
    headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return answer.json();
};

describe("the files of the image", () => {
  it("make an image of less than 350 MB, with Node and Debian", async () => {
    const { stdout } = await run("du", ["-s", "--apparent-size", "--block-size=1", image]);
    const { size: nodeBytes } = await stat(node);
    expect(Number.parseInt(stdout, 10) + nodeBytes + DEBIAN_BYTES).toBeLessThan(MAX_IMAGE_BYTES);
  });

  it("have ONNX Runtime and llama.cpp for this platform alone", async () => {
    const files = await readdir(image, { recursive: true });
    const natives = files.filter((file) => /\.(node|so[\d.]*|dll|dylib)$/.test(file));
    const here = new RegExp(`${process.platform}[/-]${process.arch}|reflink`);
    expect(natives.some((file) => file.includes("onnxruntime"))).toBe(true);
    expect(natives.filter((file) => !here.test(file))).toEqual([]);
  });

  it("are all that both programs need as an ordinary user with a read-only root", async () => {
    cluster = await SkerryCluster.start(database.url, {}, { checkout: image, under: asInAPod(node) });
    const { process: worker } = await cluster.addNode("from-the-image");
    for (const { child } of [cluster.controlPlane, worker]) expect(await rightsOf(child.pid)).toEqual(RESTRICTED);

    await cluster.publish("echo", identityModel("FP32", ["n", 2]));
    await cluster.deploy({ name: "echo", model: "echo", version: 1, placement: { edge: { min: 1 } } });
    await cluster.whenDeploymentReady("echo", 60_000);
    const request = { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] };
    expect(await ask("/v2/models/echo/infer", request)).toMatchObject({ outputs: [{ name: "y", data: [1, 2] }] });
  }, 180_000);

  it("are all that a text model needs", async () => {
    await cluster.publish("tiny", tinyGguf(), { runtime: "gguf" });
    await cluster.deploy({ name: "tiny", model: "tiny", version: 1, placement: { edge: { min: 1 } } });
    await cluster.whenDeploymentReady("tiny", 60_000);
    expect(await ask("/v1/completions", { model: "tiny", prompt: "a", max_tokens: 2 })).toMatchObject({
      object: "text_completion",
    });
  }, 180_000);
});

const isConfined = mayMount();
/** Of a process that `asInAPod` started; where it can do nothing, of one that this user started. */
const RESTRICTED = isConfined
  ? { user: "65532", capabilities: "0000000000000000", noNewPrivileges: "1", root: "ro" }
  : { user: String(process.getuid?.()) };

async function rightsOf(pid: number | undefined): Promise<object> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const fact = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
  if (!isConfined) return { user: fact("Uid") };
  const mounts = await readFile(`/proc/${pid}/mounts`, "utf8");
  const [, root = ""] = /^\S+ \/ \S+ (\w+)/m.exec(mounts) ?? [];
  return { user: fact("Uid"), capabilities: fact("CapEff"), noNewPrivileges: fact("NoNewPrivs"), root };
}
