import { describe, expect, it } from "@jest/globals";
import { type Classified, isConvincing } from "../../../../cli/dev/classify.ts";
import { readDemoModels, readSamples } from "../../../../cli/dev/samples.ts";
import { readSettings } from "../../../../cli/dev/settings.ts";
import { programEnvironment } from "../../../../cli/processes/programs.ts";

describe("the settings of `skerry dev`", () => {
  const settings = (options = {}, env = {}) => readSettings(options, env, "/here");

  it("have the documented defaults", () => {
    const { port, nodes, directory } = settings();
    expect([directory, port]).toEqual(["/here/.skerry", 7070]);
    expect(nodes.map(({ name, kind, site, port }) => `${name} ${kind} ${site} ${port}`)).toEqual([
      "edge-a edge harbour 7081",
      "edge-b edge island 7082",
      "cloud-a cloud cloud 7083",
    ]);
  });

  it("come from the command line before the environment", () => {
    const env = { SKERRY_PORT: "1", SKERRY_NODE_PORTS: "2,3,4" };
    expect(settings({}, env)).toMatchObject({ port: 1, nodes: [{ port: 2 }, { port: 3 }, { port: 4 }] });
    expect(settings({ port: 0, nodePorts: "0,0,0" }, env)).toMatchObject({
      port: 0,
      nodes: [{ port: 0 }, { port: 0 }, { port: 0 }],
    });
  });

  it.each([
    [{ nodePorts: "1,2" }, {}, "--node-ports: 2 ports for 3 nodes"],
    [{ nodePorts: "1,2,x" }, {}, '"x" is not a port'],
    [{}, { SKERRY_PORT: "70000" }, 'SKERRY_PORT: "70000" is not a port'],
    [{ port: 70_000 }, {}, "ports end at 65535"],
    [{ port: 7081 }, {}, "port 7081 is asked for twice"],
  ])("are refused: %j %j", (options, env, message) => expect(() => settings(options, env)).toThrow(message));
});

describe("the demonstration", () => {
  const rows = (right: number, wrong: number): readonly Classified[] =>
    Array.from({ length: right + wrong }, (_, index) => ({
      index,
      truth: 1,
      answer: index < right ? 1 : 7,
      confidence: 1,
      node: "edge-a",
      ms: 1,
      whyThere: "only",
    }));

  it("succeeds with nine in ten right, and not with fewer", () => {
    expect([isConvincing(rows(12, 0)), isConvincing(rows(11, 1)), isConvincing(rows(10, 2)), isConvincing([])]).toEqual(
      [true, true, false, false],
    );
  });

  it("takes the first samples of the committed file, real digits of 784 pixels", async () => {
    const samples = await readSamples(12);
    expect(samples.map(({ truth }) => truth)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    expect(
      samples.every(({ pixels }) => pixels.length === 784 && pixels.every((value) => value >= 0 && value <= 1)),
    ).toBe(true);
  });

  it("publishes the models that the repository brings", async () => {
    expect((await readDemoModels()).map(({ name }) => name)).toEqual(["digits-small", "digits"]);
  });
});

describe("a program's environment", () => {
  it("has nothing that was meant for us, and a reason to end with us", () => {
    const env = {
      PATH: "/bin",
      SKERRY_LOG_LEVEL: "debug",
      SKERRY_API_KEY: "sk_secret",
      DATABASE_URL: "postgres://secret",
      npm_config_x: "1",
    };
    expect(programEnvironment(env, { SKERRY_PORT: "1" })).toMatchObject({
      PATH: "/bin",
      SKERRY_LOG_LEVEL: "debug",
      SKERRY_PORT: "1",
      SKERRY_EXIT_WITH_PARENT: "1",
    });
    expect(JSON.stringify(programEnvironment(env, {}))).not.toMatch(/secret|npm_/);
  });
});
