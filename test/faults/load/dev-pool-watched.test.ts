import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loopingRowsModel } from "../../support/models/onnx/hostile-models.ts";
import { freePort, SkerryProcess, until } from "../../support/processes/skerry-process.ts";
import { steadyLoad, unanswered } from "../../support/processes/steady-load.ts";
import { quantile } from "../../support/quantile.ts";

/** One request takes about so long, in ms: 20 of them in a second are half of a processor's work, which asks for two replicas. */
const SERVICE_MS = 25;
/** Requests whose median says how long one takes. */
const TRIALS = 9;
const PATIENCE_MS = 120_000;
const SPEC = {
  name: "loop",
  model: "loop",
  version: 1,
  placement: { where: { matchLabels: { pool: "local" } }, cloud: { min: 0, max: 2 } },
  limits: { timeoutMs: 60_000 },
};

let directory: string;
let port: number;
let adminKey: string;
let dev: SkerryProcess;
let watch: SkerryProcess;
/** Of the loop in the model, so that a request takes `SERVICE_MS` on this machine. */
let turns = 1_000;

const cli = (...args: readonly string[]): SkerryProcess =>
  new SkerryProcess("cli/main.ts", {
    args,
    env: { SKERRY_SERVER: `http://127.0.0.1:${port}`, SKERRY_API_KEY: adminKey, SKERRY_EXIT_WITH_PARENT: "0" },
    log: path.join(directory, "cli.log"),
  });

async function run(...args: readonly string[]): Promise<void> {
  const command = cli(...args);
  expect([await command.exited, command.output]).toEqual([0, expect.any(String)]);
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-pool-"));
  const [own = 0, ...nodePorts] = await Promise.all(Array.from({ length: 4 }, freePort));
  port = own;
  dev = new SkerryProcess("cli/main.ts", {
    args: ["dev", "--dir", path.join(directory, "data"), "--port", String(port), "--node-ports", nodePorts.join(",")],
    env: { SKERRY_SCALE_DOWN_SECONDS: "5", SKERRY_EXIT_WITH_PARENT: "0" },
    log: path.join(directory, "dev.log"),
  });
  await until("it serves", () => dev.output.includes("Ctrl-C"), PATIENCE_MS);
  adminKey = (await readFile(path.join(directory, "data", "admin.key"), "utf8")).trim();
  const [model, spec] = [path.join(directory, "loop.onnx"), path.join(directory, "loop.json")];
  await writeFile(model, loopingRowsModel());
  await writeFile(spec, JSON.stringify(SPEC));
  await run("models", "push", model, "--model", "loop", "--wait");
  await run("apply", "-f", spec, "--wait");
  watch = cli("nodes", "ls", "-w");
  await until("the list is there", () => watch.output.includes("cloud-a"));
}, PATIENCE_MS);

afterAll(async () => {
  await watch?.stop();
  await dev?.stop();
  await rm(directory, { recursive: true, force: true });
});

const ask = (): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}/v2/models/loop/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json", "skerry-timeout-ms": "60000" },
    body: JSON.stringify({ inputs: [{ name: "x", shape: [1], datatype: "INT64", data: [turns] }] }),
    signal: AbortSignal.timeout(60_000),
  });

async function medianInferMs(): Promise<number> {
  const trials: number[] = [];
  for (let trial = 0; trial < TRIALS; trial += 1) {
    const timing = (await ask()).headers.get("server-timing") ?? "";
    trials.push(Number(/infer;dur=([\d.]+)/.exec(timing)?.[1] ?? Number.NaN));
  }
  return quantile(trials, 0.5);
}

/** What `nodes ls -w` printed of nodes of the pool: event, name, state. */
const shown = (): readonly { readonly event: string; readonly name: string; readonly state: string }[] =>
  watch.output.split("\n").flatMap((line) => {
    const [event = "", name = "", , , state = ""] = line.split(/\s+/);
    return name.startsWith("local-") ? [{ event, name, state }] : [];
  });
const ready = (): ReadonlySet<string> =>
  new Set(shown().flatMap(({ name, state }) => (state.startsWith("ready") ? [name] : [])));
const gone = (): readonly string[] => shown().flatMap(({ event, name }) => (event === "deleted" ? [name] : []));

describe("skerry nodes ls -w beside skerry dev", () => {
  it(
    "shows a node of the pool come with the first request",
    async () => {
      expect(shown()).toEqual([]);
      expect((await ask()).status).toBe(200);
      await until("it is shown ready", () => ready().size === 1);
      for (let inferMs = 0; inferMs < SERVICE_MS / 2;) {
        inferMs = await medianInferMs();
        turns = Math.round((turns * SERVICE_MS) / Math.max(inferMs, SERVICE_MS / 4));
      }
    },
    PATIENCE_MS,
  );

  it("shows a second one come with load and both go after it, while every request is answered", async () => {
    const load = steadyLoad(20, ask);
    await until(
      "two nodes answer",
      () => ready().size >= 2 && new Set(load.ended.slice(-40).map(({ node }) => node)).size === 2,
      PATIENCE_MS,
    );
    expect(unanswered(await load.stop()).failed).toEqual([]);
    await until("all nodes of the pool are gone", () => gone().length === ready().size, PATIENCE_MS);
    expect(new Set(gone())).toEqual(ready());
    for (const name of ready()) {
      const story = shown().filter((line) => line.name === name);
      expect(story[0]?.event).toBe("added");
      expect(story.some(({ state }) => state.includes("draining"))).toBe(true);
      expect(story.at(-1)?.event).toBe("deleted");
    }
  }, 300_000);
});
