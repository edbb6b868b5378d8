import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { PlannedDeployment, PlannedStep, PlanResponse } from "../../../../shared/api/v1/deployments/plan.ts";
import { FakeApi } from "../support/fake-api.ts";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";

const counts = (wanted: number, ready: number) => ({ wanted, placed: ready, ready });
const none = counts(0, 0);
const deploymentOf = (name: string, over: Partial<PlannedDeployment> = {}): PlannedDeployment => ({
  deployment: name,
  spec: "none",
  targetVersion: 1,
  before: { edge: counts(1, 1), cloud: none },
  after: { edge: counts(1, 1), cloud: none },
  nodes: ["edge-a"],
  unplaced: [],
  refusals: [],
  refusalsLeftOut: 0,
  ...over,
});
const place: PlannedStep = {
  round: 1,
  action: "place",
  deployment: "digits",
  model: "digits",
  version: 1,
  node: "edge-b",
  kind: "edge",
  why: "digits:1 → edge-b (91.0)",
};
const answerOf = (over: Partial<PlanResponse> = {}): PlanResponse => ({
  changes: true,
  rounds: 1,
  settled: true,
  steps: [place],
  deployments: [deploymentOf("digits"), deploymentOf("faces")],
  ...over,
});
const lacking: Partial<PlannedDeployment> = {
  after: { edge: counts(1, 0), cloud: none },
  nodes: [],
  unplaced: ["no edge node"],
  refusals: [{ node: "edge-a", code: "node-schedulable", verdict: "not now", sentence: "edge-a is cordoned" }],
};

describe("skerry plan, and explain --what-if", () => {
  let api: FakeApi;
  let env: NodeJS.ProcessEnv;
  let directory: string;
  const spec = '{"name":"digits","model":"digits","version":1}';
  const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env, stdin: spec });

  const questions = (): readonly unknown[] => api.asked.map(({ body }) => JSON.parse(body.toString()));

  beforeEach(async () => {
    api = new FakeApi();
    env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
    directory = await mkdtemp(path.join(tmpdir(), "skerry-plan-"));
  });
  afterEach(async () => {
    await api.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it("print the steps and what would be so, and end with 3 when there are changes", async () => {
    api.on(
      "POST /api/v1/plan",
      answerOf({ deployments: [deploymentOf("digits", { spec: "create", before: null }), deploymentOf("faces")] }),
    );
    const { exitCode, stdout } = await cli("plan", "-f", "-");
    expect(exitCode).toBe(3);
    expect(stdout).toBe(
      [
        "ROUND  STEP   DEPLOYMENT  MODEL     NODE    WHY",
        "    1  place  digits      digits:1  edge-b  digits:1 → edge-b (91.0)",
        "",
        "DEPLOYMENT  SPEC     VERSION       EDGE  CLOUD  SERVED BY  NOT PLACED",
        "digits      created  1        0/0 → 1/1      –  edge-a     –",
        "",
      ].join("\n"),
    );
    expect(questions()[0]).toMatchObject({ deployments: { apply: [{ name: "digits" }] } });
  });

  it("end with 0 when nothing would change", async () => {
    api.on("POST /api/v1/plan", answerOf({ changes: false, steps: [] }));
    const { exitCode, stdout } = await cli("plan", "-f", "-");
    expect([exitCode, stdout.split("\n")[0]]).toEqual([0, "Nothing would be placed or moved."]);
  });

  it("end with 2 when a replica that was asked about has no place, and name the nodes that refuse it", async () => {
    api.on("POST /api/v1/plan", answerOf({ deployments: [deploymentOf("digits", lacking)] }));
    const { exitCode, stdout } = await cli("plan", "-f", "-");
    expect(exitCode).toBe(2);
    expect(stdout).toContain("edge-a   node-schedulable  not now  edge-a is cordoned");
  });

  it("end with 2 for another deployment only when it would lose what it has", async () => {
    const other = (over: Partial<PlannedDeployment>) =>
      api.on(
        "POST /api/v1/plan",
        answerOf({ deployments: [deploymentOf("digits"), deploymentOf("faces", { ...lacking, ...over })] }),
      );
    other({ before: { edge: counts(1, 0), cloud: none } });
    expect((await cli("plan", "-f", "-")).exitCode).toBe(3);
    other({});
    expect((await cli("plan", "-f", "-")).exitCode).toBe(2);
  });

  it("ask about several files in one question", async () => {
    const files = ["digits", "faces"].map((name) => path.join(directory, `${name}.yaml`));
    await Promise.all(
      files.map((file) => writeFile(file, `name: ${path.basename(file, ".yaml")}\nmodel: digits\nversion: 1\n`)),
    );
    api.on("POST /api/v1/plan", answerOf());
    const { stderr } = await cli("plan", ...files.flatMap((file) => ["-f", file]));
    expect(questions()).toMatchObject([{ deployments: { apply: [{ name: "digits" }, { name: "faces" }] } }]);
    expect(stderr).toContain(`apply -f ${files[0]} -f ${files[1]} --wait`);
  });

  it("turn changes of the fleet into one question, and print its answer as it is", async () => {
    api.on("POST /api/v1/plan", answerOf());
    const changes = [
      "cordon=edge-a",
      "drain=edge-b",
      "remove=edge-d",
      "load=edge-e,cpuPct=90",
      "add=edge-c,like=edge-b,memMiB=512,label.gpu=true",
    ];
    const { exitCode, stdout } = await cli(
      "explain",
      "digits",
      "-o",
      "json",
      ...changes.flatMap((each) => ["--what-if", each]),
    );
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout)).toEqual(answerOf());
    expect(questions()[0]).toEqual({
      nodes: {
        add: [{ name: "edge-c", like: "edge-b", labels: { gpu: "true" }, capabilities: { memMiB: 512 } }],
        remove: ["edge-d"],
        cordon: ["edge-a"],
        uncordon: [],
        drain: ["edge-b"],
        load: [{ node: "edge-e", cpuPct: 90 }],
      },
    });
  });

  it("end with 5 for a deployment that is not there", async () => {
    api.on("POST /api/v1/plan", answerOf());
    expect((await cli("explain", "signs", "--what-if", "cordon=edge-a")).exitCode).toBe(5);
  });

  it.each([
    ["--what-if", "cordon"],
    ["--what-if", "paint=edge-a"],
    ["--what-if", "cordon=edge-a,edge-b"],
    ["--what-if", "load=edge-a,cpu=90"],
    ["--what-if", "load=edge-a,cpuPct=much"],
    ["--why-not", "edge-a", "--what-if", "cordon=edge-a"],
  ])("take %j %j for a wrong command line", async (...args) => {
    expect((await cli("explain", "digits", ...args)).exitCode).toBe(64);
    expect(api.asked).toEqual([]);
  });
});
