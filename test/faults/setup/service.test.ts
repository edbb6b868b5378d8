import { execFile } from "node:child_process";
import { copyFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loopingRowsModel } from "../../support/models/onnx/hostile-models.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { tinyGguf } from "../../support/models/text/tiny-gguf.ts";
import { inFlightAt } from "../../support/processes/faults/node-faults.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, until } from "../../support/processes/skerry-process.ts";
import { type CommandResult, Systemd } from "../../support/processes/systemd.ts";
import { quantile } from "../../support/quantile.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const NODE = "/usr/local/bin/skerry-test-node";
const SETTINGS = "/etc/skerry/node.env";
/** Turns of a loop whose time is measured as the median of some requests, and how long the request takes that is under way at the stop, in ms. */
const PROBE_TURNS = 100_000;
const PROBES = 5;
const UNDER_WAY_MS = 4_000;

let systemd: Systemd;
let database: TestDatabase;
let cluster: SkerryCluster;
let port: number;

beforeAll(async () => {
  if (!Systemd.isPossible) return;
  systemd = await Systemd.start();
  await copyFile(process.execPath, path.join(systemd.root, NODE));
  await promisify(execFile)(process.execPath, [
    path.join(ROOT, "deploy/docker/layout.mjs"),
    path.join(systemd.root, "opt/skerry"),
  ]);
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  port = await freePort();
}, 180_000);

afterAll(async () => {
  await systemd?.stop();
  await cluster?.stop();
  await database?.stop();
}, 120_000);

const join = (input: string, ...options: readonly string[]): Promise<CommandResult> =>
  systemd.runWith(input, NODE, "/opt/skerry/cli/main.ts", "join", ...options);
const install = (input: string, ...more: readonly string[]): Promise<CommandResult> =>
  join(input, "--install-service", "--server", cluster.url, "--name", "dock-7", "--local-port", String(port), ...more);
const token = async (): Promise<string> =>
  (await cluster.post<{ token: string }>("/join-tokens", { kind: "edge" })).token;

async function ask(url: string, body: object): Promise<unknown> {
  const headers = { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" };
  return (await fetch(cluster.url + url, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** Where systemd cannot be started beside what runs, the tests of the unit alone have to do. */
const here = Systemd.isPossible ? describe : describe.skip;

here("skerry join --install-service", () => {
  it("makes the node a service that runs without rights, and keeps no token", async () => {
    const { code, output } = await install(await token(), "-");
    expect([code, output]).toEqual([0, expect.stringContaining("dock-7 is ready")]);
    await cluster.whenNode("dock-7", "ready");
    expect((await systemd.run("cat", SETTINGS)).output).not.toContain("skj1.");
    expect((await systemd.run("systemctl", "is-enabled", "skerry-node")).output.trim()).toBe("enabled");
    const { output: pid } = await systemd.run("systemctl", "show", "--property=MainPID", "--value", "skerry-node");
    const { output: status } = await systemd.run("cat", `/proc/${pid.trim()}/status`);
    expect(status).not.toMatch(/^Uid:\s+0\s/m);
    for (const line of [/^CapEff:\s+0{16}$/m, /^NoNewPrivs:\s+1$/m, /^Seccomp:\s+2$/m]) expect(status).toMatch(line);
  }, 180_000);

  it("leaves both runtimes what they need", async () => {
    await cluster.publish("echo", identityModel("FP32", ["n", 2]));
    await cluster.publish("tiny", tinyGguf(), { runtime: "gguf" });
    for (const name of ["echo", "tiny"]) {
      await cluster.deploy({ name, model: name, version: 1, placement: { edge: { min: 1 } } });
      await cluster.whenDeploymentReady(name, 60_000);
    }
    const inputs = [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }];
    expect(await ask("/v2/models/echo/infer", { inputs })).toMatchObject({ outputs: [{ data: [1, 2] }] });
    const prompt = { model: "tiny", prompt: "a", max_tokens: 2, temperature: 0 };
    expect(await ask("/v1/completions", prompt)).toMatchObject({ choices: [{ text: "bc" }] });
  }, 180_000);

  it("answers what is under way before it stops", async () => {
    await cluster.publish("loop", loopingRowsModel());
    const limits = { timeoutMs: 60_000 };
    await cluster.deploy({ name: "loop", model: "loop", version: 1, placement: { edge: { min: 1 } }, limits });
    await cluster.whenDeploymentReady("loop", 60_000);
    const loop = (turns: number): Promise<Response> =>
      cluster.infer("loop", { inputs: [{ name: "x", shape: [1], datatype: "INT64", data: [turns] }] });
    const tried: number[] = [];
    for (let probe = 0; probe < PROBES; probe += 1) {
      const timing = (await loop(PROBE_TURNS)).headers.get("server-timing") ?? "";
      tried.push(Number(/infer;dur=([\d.]+)/.exec(timing)?.[1]));
    }
    const answer = loop(Math.ceil((PROBE_TURNS * UNDER_WAY_MS) / quantile(tried, 0.5)));
    await until("it is at the node", async () => (await inFlightAt({ localUrl: `http://127.0.0.1:${port}` })) > 0);
    expect(await systemd.run("systemctl", "stop", "skerry-node")).toMatchObject({ code: 0 });
    expect((await answer).status).toBe(200);
    await systemd.run("systemctl", "start", "skerry-node");
    await cluster.whenNode("dock-7", "ready");
  }, 180_000);

  it("keeps the node when it is run again, without a token", async () => {
    const before = await cluster.whenNode("dock-7", "ready");
    expect(await install("")).toMatchObject({ code: 0 });
    expect((await cluster.whenNode("dock-7", "ready")).id).toBe(before.id);
  }, 180_000);

  it("lets in who has a key of the file that is named, which root alone can read", async () => {
    const folder = "/root/skerry-test-keys";
    const cli = (...args: readonly string[]) => systemd.run(NODE, "/opt/skerry/cli/main.ts", ...args);
    const { output } = await cli("keys", "local", `${folder}/callers.keys`);
    const key = /skn_\S+/.exec(output)?.[0] ?? "";
    const options = ["--local-host", "0.0.0.0", "--local-keys", `${folder}/callers.keys`];
    expect(await install("", ...options)).toMatchObject({ code: 0 });
    const statusWith = async (bearer: string): Promise<number> => {
      const headers = { authorization: `Bearer ${bearer}` };
      return (await fetch(`http://127.0.0.1:${port}/v2/models/echo/ready`, { headers })).status;
    };
    // The service has begun anew: its models load once more.
    await until("the caller is let in", async () => (await statusWith(key)) === 200, 60_000);
    expect(await statusWith(`${key}x`)).toBe(401);
  }, 180_000);

  it("takes the service away and leaves the node's data, and tells a refused token from the log", async () => {
    const used = await token();
    await cluster.request("DELETE", `/join-tokens/${used.split(".")[3]}`);
    expect(await join("", "--uninstall-service")).toMatchObject({
      code: 0,
      output: expect.stringContaining("still in /var/lib/skerry"),
    });
    expect((await systemd.run("ls", "/var/lib/skerry")).output).toContain("identity.json");
    expect(await join("", "--uninstall-service")).toMatchObject({ code: 5 });
    await systemd.run("sh", "-c", "rm -r /var/lib/private/skerry /var/lib/skerry");
    const refused = await install(used, "-");
    expect([refused.code, refused.output]).toEqual([
      1,
      expect.stringContaining("the join token is wrong, used, expired"),
    ]);
  }, 180_000);
});
