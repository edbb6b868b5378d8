import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { VERSION } from "../../../../shared/base/version.ts";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi } from "../support/fake-api.ts";
import { deploymentNamed, listOf, nodeNamed } from "../support/objects.ts";

let api: FakeApi;
let folder: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  api = new FakeApi();
  folder = await mkdtemp(join(tmpdir(), "skerry-doctor-"));
  const config = join(folder, "config.json");
  await writeFile(config, "{}", { mode: 0o600 });
  env = {
    SKERRY_SERVER: await api.start(),
    SKERRY_API_KEY: "sk_test",
    SKERRY_CONFIG: config,
    XDG_STATE_HOME: join(folder, "state"),
  };
  api.on("GET /v2", { name: "skerry", version: VERSION, extensions: [] });
  api.on("GET /api/v1/whoami", {
    keyId: "k",
    name: "ops",
    role: "admin",
    models: [],
    deployments: [],
    expiresAt: null,
  });
  api.on("GET /readyz", { ready: true, reasons: [] });
  api.on("GET /api/v1/nodes", listOf(nodeNamed("edge-a", { agentVersion: VERSION })));
  api.on("GET /api/v1/deployments", listOf(deploymentNamed("digits", true)));
  api.on("GET /api/v1/cloud-pools", listOf());
});
afterEach(async () => {
  await api.stop();
  await rm(folder, { recursive: true });
});
const cli = (...args: readonly string[]): Promise<CliResult> => runCli(["doctor", ...args], { env });

/** `what: how → fix` of what is not well. */
async function faults(...args: readonly string[]): Promise<{ exitCode: number; found: readonly string[] }> {
  const { exitCode, stdout } = await cli(...args, "-o", "json");
  const { items } = JSON.parse(stdout) as { items: { level: string; what: string; how: string; fix?: string }[] };
  const found = items
    .filter(({ level }) => level !== "good")
    .map(({ level, what, how, fix }) => `${level}: ${what}: ${how} → ${fix ?? "nothing"}`);
  return { exitCode, found };
}

describe("skerry doctor", () => {
  it("says what it looked at when all is well", async () => {
    const { exitCode, stdout, stderr } = await cli("server");
    expect([exitCode, stderr]).toEqual([0, "0 faults, 0 warnings.\n"]);
    expect(stdout.split("\n").map((line) => line.replaceAll(/ {2,}/g, " | "))).toEqual([
      "WHERE | LOOKED AT | HOW IT IS | WHAT TO DO",
      "server | takes requests for inference | good | yes | –",
      "server | takes requests for the admin API | good | yes | –",
      "server | nodes | good | 1 node, none away | –",
      "server | deployments | good | 1 deployment, all ready | –",
      "",
    ]);
    expect((await faults("client")).found).toEqual([]);
  });

  it("finds nodes and deployments that are not well, each with its fix", async () => {
    const load = {
      cpuPct: 0,
      memFreeMiB: 0,
      diskFreeMiB: 10,
      rttMs: 1,
      rif: 0,
      pushBytesPerMs: null,
      streams: [],
      ageMs: 0,
    };
    const capabilities = {
      arch: "x",
      os: "x",
      cpus: 1,
      memMiB: 1,
      diskMiB: 1_000,
      runtime: "x",
      maxOpset: 1,
      maxIrVersion: 1,
      providers: [],
    };
    api.on(
      "GET /api/v1/nodes",
      listOf(
        nodeNamed("lost-one", { state: "lost", lastSeenAgeMs: 180_000, agentVersion: VERSION }),
        nodeNamed("never", { state: "pending", agentVersion: null }),
        nodeNamed("old", { agentVersion: "0.0.1" }),
        nodeNamed("full", { load, capabilities, agentVersion: VERSION, cordoned: true }),
      ),
    );
    api.on("GET /api/v1/deployments", listOf(deploymentNamed("digits", false, { unplaced: ["no node has a GPU"] })));
    api.on("GET /readyz", { ready: false, reasons: ["PostgreSQL does not answer"] }, { status: 503 });
    const { exitCode, found } = await faults("server");
    expect(exitCode).toBe(1);
    expect(found.map((line) => line.replace(/joined .* ago/, "joined long ago"))).toEqual([
      "bad: takes requests for inference: no: PostgreSQL does not answer → look into the log of the control plane, and whether PostgreSQL answers",
      "bad: takes requests for the admin API: no: PostgreSQL does not answer → look into the log of the control plane, and whether PostgreSQL answers",
      "bad: nodes away: lost-one (lost, seen 3m ago) → check their power and network; on the machine `skerry doctor edge` says more",
      "warning: nodes that never connected: never (joined long ago) → start them with `skerry join`, or remove them with `skerry nodes rm`",
      "warning: disks: full has 10 MiB free → free space: a node takes no model while less than 5 % of its disk is free",
      `warning: agents of another version: old (0.0.1) → install ${VERSION} there when it suits`,
      "warning: nodes that get nothing new: full (cordoned) → `skerry nodes uncordon NODE` when their maintenance is over",
      "bad: deployment digits: no node has a GPU → `skerry explain digits`",
    ]);
  });

  it("names streams that wait, with why", async () => {
    const counts = { produced: 1, delivered: 0, deduplicated: 0, expired: 0, dropped: 0, waiting: 1, waitingBytes: 1 };
    const stream = { deployment: "reader", name: "scans", state: "waiting" as const, reason: "there is no sink plant" };
    const load = {
      cpuPct: 0,
      memFreeMiB: 0,
      diskFreeMiB: 1_000,
      rttMs: 1,
      rif: 0,
      pushBytesPerMs: null,
      streams: [
        { ...counts, ...stream },
        { ...counts, ...stream, name: "fine", state: "running" as const },
      ],
      ageMs: 0,
    };
    api.on("GET /api/v1/nodes", listOf(nodeNamed("edge-a", { load, agentVersion: VERSION })));
    const { found } = await faults("server");
    expect(found).toEqual([
      expect.stringContaining("warning: streams that wait: edge-a: reader/scans (there is no sink plant) → "),
    ]);
  });

  it("stops at a server that does not answer, or is another one, or takes no key", async () => {
    const nowhere = await runCli(["doctor", "client", "-o", "json", "--server", "http://127.0.0.1:2999"], { env });
    expect([nowhere.exitCode, nowhere.stdout.includes("nothing listens at")]).toEqual([1, true]);
    api.on("GET /v2", { name: "other" });
    expect((await faults("client")).found).toEqual([
      "bad: the server answers: something answers there, but it is not Skerry → check the address with `skerry context`; a proxy in between must pass /v2 and /api/v1 on",
    ]);
    api.on("GET /v2", { name: "skerry", version: "9.9.9", extensions: [] });
    api.problem("GET /api/v1/whoami", 401, "UNAUTHENTICATED", "the key is not known.");
    expect((await faults("server")).found).toEqual(["bad: the key: the key is not known (UNAUTHENTICATED) → the fix"]);
    expect((await faults("client")).found[0]).toContain("version 9.9.9, and this tool is");
  });

  it("warns of keys that others can read, and of clocks that differ", async () => {
    await writeFile(join(folder, "open.json"), "{}", { mode: 0o644 });
    api.on(
      "GET /v2",
      { name: "skerry", version: VERSION, extensions: [] },
      { headers: { Date: "Thu, 01 Jan 2026 00:00:00 GMT" } },
    );
    env = { ...env, SKERRY_CONFIG: join(folder, "open.json") };
    const { exitCode, found } = await faults("client");
    expect(exitCode).toBe(0);
    expect(found[0]).toContain("chmod 600");
    expect(found[1]).toContain("apart → let both follow a time server");
  });

  it("looks at this machine as a node, and at nodes that are here", async () => {
    const node = join(folder, "state", "skerry", "dock-7");
    await mkdir(node, { recursive: true });
    await writeFile(join(node, "identity.json"), "{}");
    const { stdout } = await cli("edge");
    expect(stdout).toMatch(/edge +disk for models +\w+ +.* free under/);
    expect(stdout).toMatch(/edge +node dock-7 +warning +has joined and does not run.*`skerry join --name dock-7`/);
    expect(stdout).toMatch(/edge +model hosts: process of its own +good/);
    await writeFile(join(node, "node.lock"), JSON.stringify({ pid: process.pid }));
    expect((await cli("edge")).stdout).toContain(`runs as process ${process.pid}`);
  });
});

describe("skerry doctor edge with a streams file", () => {
  const examined = async (text: string): Promise<readonly string[]> => {
    const file = join(folder, "streams.yaml");
    await writeFile(file, text);
    env["SKERRY_STREAMS_FILE"] = file;
    const { items } = JSON.parse((await cli("edge", "-o", "json")).stdout) as {
      items: { level: string; what: string; how: string }[];
    };
    return items
      .filter(({ what }) => what.startsWith("streams"))
      .map(({ level, what, how }) => `${level}: ${what}: ${how}`);
  };

  it("says of each entry whether this user could use it", async () => {
    await mkdir(join(folder, "inbox"));
    const found = await examined(
      [
        "sources:",
        `  inbox: { directory: { path: ${join(folder, "inbox")} } }`,
        `  away: { directory: { path: ${join(folder, "away")} } }`,
        "  push: { http: {} }",
        '  bus: { mqtt: { url: "mqtt://127.0.0.1:1", topics: [a] } }',
        "sinks:",
        `  outbox: { folder: { path: ${join(folder, "made/later")} } }`,
        `  plant: { webhook: { url: "${env["SKERRY_SERVER"]}/results" } }`,
        `  closed: { webhook: { url: "${env["SKERRY_SERVER"]}/results", tokenFile: ${join(folder, "token")} } }`,
      ].join("\n"),
    );
    expect(found).toEqual([
      "good: streams: source inbox: usable",
      `warning: streams: source away: there is no ${join(folder, "away")}`,
      "good: streams: source push: usable",
      expect.stringMatching(/^warning: streams: source bus: 127\.0\.0\.1 takes no connection: .*ECONNREFUSED/),
      "good: streams: sink outbox: usable",
      "good: streams: sink plant: usable",
      `warning: streams: sink closed: this user cannot read ${join(folder, "token")}`,
    ]);
  });

  it("says what is wrong with the file", async () => {
    const [fault] = await examined("sources: { inbox: { directory: { path: relative } } }");
    expect(fault).toMatch(/^bad: streams file: .*sources\.inbox\.directory\.path: an absolute path/);
  });
});
