import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { LocalKeys } from "../../../../edge-node/adapters/http/local-keys.ts";
import { type CliOptions, type CliResult, runCli } from "../../../unit/cli/support/run-cli.ts";
import { aPlacement, LocalApiRig } from "../../edge-node/support/local-api-rig.ts";

const MIB = 1_048_576;
const rig = new LocalApiRig();
const edge = (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
  runCli(["edge", ...args, "--at", `http://127.0.0.1:${rig.port}`], options);

beforeAll(() => rig.startHosts());
afterAll(() => rig.stopHosts());
beforeEach(() => rig.open());
afterEach(() => rig.close());

describe("a node asked by its own address", () => {
  it("says how long it runs, its link, its models and what waits", async () => {
    rig.facts.status = {
      ...rig.facts.status,
      startedAgeMs: 300_000,
      link: { ageMs: 60_000, lastFault: undefined },
      unsentLines: 3,
    };
    rig.facts.placements.push(aPlacement("kept", rig.identity, { want: "hold", state: "staged" }));
    const { exitCode, stderr } = await edge(["status"]);
    expect([exitCode, stderr]).toEqual([
      0,
      `dock-7 (edge, Skerry 1.2.3) runs for 5m. Connected for 60s.
2 of 2 models ready. Waiting: 3 lines of the log for the control plane.
It runs no streams: no deployment on it declares any.
`,
    ]);
    expect(JSON.parse((await edge(["status", "-o", "json"])).stdout)).toEqual({ streams: [] });
  });

  it.each([
    [{ connected: false }, "The control plane is away for 9s; the node serves on and dials again by itself. no route"],
    [{ removed: true }, "The node was removed from its control plane; its models serve on."],
    [{ connected: false, keyToApprove: "KEY" }, "An operator has to approve the node."],
    [{ draining: true }, "runs for 0s and is draining."],
  ])("says so when it is not as usual: %j", async (facts, sentence) => {
    const status = { ...rig.facts.status, link: { ageMs: 9_000, lastFault: "no route" } };
    Object.assign(rig.facts, facts, { status });
    expect((await edge(["status"])).stderr).toContain(sentence);
  });

  it("lists what it holds, with how far it is and why it failed", async () => {
    rig.facts.placements = [
      aPlacement("same", rig.identity, { aliases: ["champion"], stateAgeMs: 240_000 }),
      aPlacement("large", rig.identity, { state: "downloading", progress: { done: 3 * MIB, total: 4 * MIB } }),
      aPlacement("broken", rig.identity, { state: "failed", detail: "LOAD_FAILED: the model hangs" }),
      aPlacement("next", rig.identity, { want: "hold" }),
    ];
    const { exitCode, stdout } = await edge(["models"]);
    expect([exitCode, stdout.split("\n").map((line) => line.replaceAll(/ {2,}/g, " | ").trim())]).toEqual([
      0,
      [
        expect.stringMatching(/^MODEL \| DEPLOYMENT \| STATE \| SINCE \| /),
        expect.stringMatching(/^same:3 \(champion\) \| same \| ready \| 4m \| 0 \| 0 \| 0/),
        expect.stringMatching(/^large:3 \| large \| downloading 75 % of 4.0 MiB \| 0s/),
        expect.stringMatching(/^broken:3 \| broken \| failed \| 0s( \| –)+ \| LOAD_FAILED: the model hangs$/),
        expect.stringMatching(/^next:3 \| next \| ready .*kept here, not asked to serve$/),
        "",
      ],
    ]);
    expect((await edge(["models", "-o", "name"])).stdout).toBe("same:3\nlarge:3\nbroken:3\nnext:3\n");
    expect(JSON.parse((await edge(["models", "-o", "json"])).stdout)).toMatchObject({ name: "dock-7" });
    rig.facts.placements = [];
    expect((await edge(["models"])).stderr).toBe("dock-7 holds no model.\n");
  });

  it("lists its last warnings and errors, the newest at the end", async () => {
    expect((await edge(["logs"])).stderr).toBe("dock-7 has had no warning and no error since it started 0s ago.\n");
    const log = [
      { level: "warn", ageMs: 60_000, msg: "the link broke" },
      { level: "info", ageMs: 30_000, msg: "connected" },
      { level: "error", ageMs: 5_000, msg: "digits:3 does not load" },
    ] as const;
    rig.facts.status = { ...rig.facts.status, log };
    const { stdout } = await edge(["logs"]);
    expect(stdout.trimEnd().split("\n").slice(1)).toEqual([
      expect.stringMatching(/60s {2}warn +the link broke/),
      expect.stringMatching(/5s {2}error +digits:3 does not load/),
    ]);
  });

  it("takes one of its own keys, and refuses who has none", async () => {
    await rig.close();
    const [hashes, mine] = [path.join(rig.directory, "keys"), path.join(rig.directory, "mine")];
    await writeFile(hashes, createHash("sha256").update("opens").digest("hex"));
    await writeFile(mine, "opens\n");
    await rig.open({}, await LocalKeys.open(hashes));
    for (const command of ["status", "models", "logs", "sync"]) {
      expect([command, (await edge([command, "--key-file", mine])).exitCode]).toEqual([command, 0]);
      expect([command, (await edge([command])).exitCode]).toEqual([command, 4]);
    }
    expect((await edge(["models"], { env: { SKERRY_NODE_KEY: "opens" } })).exitCode).toBe(0);
  });

  it("is named when nobody answers there", async () => {
    const { exitCode, stderr } = await runCli(["edge", "status", "--at", "http://127.0.0.1:1"]);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("http://127.0.0.1:1")]);
  });
});

describe("a wait for a node to be up to date", () => {
  it("ends when it is connected and its models are ready, and tells what is left until then", async () => {
    rig.facts.connected = false;
    rig.facts.placements = [
      aPlacement("same", rig.identity, { state: "downloading", progress: { done: MIB, total: 4 * MIB } }),
      aPlacement("next", rig.identity, { want: "hold", state: "downloading" }),
    ];
    const { exitCode, stderr } = await edge(["sync"], {
      onMessage: (said) => {
        if (said.includes("The control plane is away")) rig.facts.connected = true;
        if (said.includes("same:3 is downloading 25 % of 4.0 MiB") && rig.facts.connected)
          rig.facts.placements = [aPlacement("same", rig.identity), aPlacement("loop", rig.loop)];
      },
    });
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringMatching(
        /away for 0s.*\n[^]*25 % of 4.0 MiB\n[^]*dock-7 is up to date: connected, 2 models ready\.\n$/,
      ),
    ]);
  });

  it("ends unmet after its time, with what is left", async () => {
    rig.facts.placements = [aPlacement("same", rig.identity, { state: "failed", detail: "OUT_OF_MEMORY: 512 MiB" })];
    const { exitCode, stderr } = await edge(["sync", "--timeout", "1s"]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("dock-7 is not up to date after 1 s")]);
    expect(stderr).toContain("same:3 is failed: OUT_OF_MEMORY: 512 MiB");
  });

  it("ends at once for a node that was removed", async () => {
    Object.assign(rig.facts, { removed: true, connected: false });
    const { exitCode, stderr } = await edge(["sync", "--timeout", "10m"]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("is no node of a control plane any more")]);
    expect(stderr).toContain("skerry join");
  });
});
