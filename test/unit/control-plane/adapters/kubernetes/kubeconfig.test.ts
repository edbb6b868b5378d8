import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";

const run = promisify(execFile);
const MODULE = path.resolve(import.meta.dirname, "../../../../../control-plane/adapters/kubernetes/kubeconfig.ts");

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-kubeconfig-"));
  file = path.join(folder, "config");
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const config = (token: string): string =>
  JSON.stringify({
    clusters: [{ name: "c", cluster: { server: "https://kubernetes.test:6443/", "tls-server-name": "inside" } }],
    users: [{ name: "u", user: { token } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });

/** Runs `script` in a Node of its own, as the control plane does: what Jest loads, it loads in another way. */
async function inNode(script: string): Promise<unknown> {
  const source = `import { defaultKubeconfig } from ${JSON.stringify(MODULE)};\n${script}`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", source], {
    env: { ...process.env, KUBECONFIG: file, NODE_OPTIONS: "" },
  });
  return JSON.parse(stdout);
}

describe("a kubeconfig", () => {
  it("is read without the typed API of client-node, which takes most of its memory", async () => {
    await writeFile(file, config("first"));
    const loaded = await inNode(`
      import { registerHooks } from "node:module";
      const urls = [];
      registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
      const { server } = await defaultKubeconfig();
      const of = (what) => urls.filter((url) => url.includes(what)).length;
      console.log(JSON.stringify({ server, config: of("client-node/dist/config.js"), models: of("/gen/models/") }));`);
    expect(loaded).toEqual({ server: "https://kubernetes.test:6443", config: 1, models: 0 });
  }, 60_000);

  it("is read again when it was written since, and what is half written changes nothing", async () => {
    await writeFile(file, config("first"));
    const said = await inNode(`
      import { utimesSync, writeFileSync } from "node:fs";
      const credentials = await defaultKubeconfig();
      const said = [];
      const look = async () => {
        const options = {};
        await credentials.applyTo(options);
        said.push(options.headers.Authorization, options.servername);
      };
      const write = (text, at) => {
        writeFileSync(${JSON.stringify(file)}, text);
        utimesSync(${JSON.stringify(file)}, at, at);
      };
      await look();
      write(${JSON.stringify(config("second").slice(0, 40))}, 1000);
      await look();
      write(${JSON.stringify(config("second"))}, 2000);
      await look();
      console.log(JSON.stringify(said));`);
    expect(said).toEqual(["Bearer first", "inside", "Bearer first", "inside", "Bearer second", "inside"]);
  }, 60_000);

  it("that names no cluster is refused in a sentence", async () => {
    await writeFile(file, JSON.stringify({ clusters: [], users: [], contexts: [] }));
    const said = await inNode(`
      const said = await defaultKubeconfig().then(() => "loaded", ({ message }) => message);
      console.log(JSON.stringify(said));`);
    expect(said).toContain("no Kubernetes cluster is configured");
  }, 60_000);
});
