import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { type Asked, FakeApi, json } from "../support/fake-api.ts";
import { deploymentNamed, listOf, versionOf } from "../support/objects.ts";

let api: FakeApi;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  api = new FakeApi();
  env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
});
afterEach(() => api.stop());
const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env });

describe("skerry bench", () => {
  const INFER = "POST /v2/models/digits/infer";
  beforeEach(() => {
    api.on("GET /api/v1/deployments/digits", deploymentNamed("digits", true));
    api.on("GET /api/v1/deployments", listOf(deploymentNamed("digits", true)));
    api.on("GET /api/v1/models/digits/versions/1", versionOf("digits"));
  });

  it("sends made-up inputs and says how quick the answers were, and from where", async () => {
    let answered = 0;
    api.on(INFER, (_: Asked, response: ServerResponse) => {
      answered += 1;
      json(response, 200, { outputs: [] }, { "Skerry-Node": answered % 2 === 0 ? "edge-a" : "edge-b" });
    });
    const { exitCode, stdout, stderr } = await cli(
      "bench",
      "digits",
      "--requests",
      "40",
      "--callers",
      "2",
      "-o",
      "json",
    );
    expect([exitCode, stderr.split("\n")[0]]).toEqual([
      0,
      "2 callers send made-up tensors of one row to digits for at most 10 s.",
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ deployment: "digits", requests: 40, answered: 40, errors: {} });
    expect(JSON.parse(stdout).nodes.map(({ node }: { node: string }) => node)).toEqual(["edge-a", "edge-b"]);
    expect(JSON.parse(api.asked.at(-1)?.body.toString() ?? "")).toEqual({
      inputs: [{ name: "image", datatype: "FP32", shape: [1, 2], data: [0, 0.1] }],
    });
  });

  it("counts failures by their code, which is exit code 2", async () => {
    let asked = 0;
    api.on(INFER, (_: Asked, response: ServerResponse) => {
      asked += 1;
      if (asked <= 5) return json(response, 200, { outputs: [] }, { "Skerry-Node": "edge-a" });
      json(response, 429, { error: "the queue is full" }, { "Skerry-Error": "QUEUE_FULL" });
    });
    const { exitCode, stdout } = await cli("bench", "digits", "--rate", "200", "--requests", "10", "--within", "5s");
    expect(exitCode).toBe(2);
    expect(stdout).toContain("Answered  2 of 10 in");
    expect(stdout).toContain("a second within 5000 ms");
    expect(stdout).toContain("Failed    8 × QUEUE_FULL");
    expect(stdout).toMatch(/edge-a +2 +100 %/);
  });

  it("asks a model of text for text, and counts its tokens", async () => {
    const text = versionOf("digits", {
      runtime: "gguf",
      format: "gguf",
      engine: { kind: "text", model: "m", api: "openai" } as never,
    });
    api.on("GET /api/v1/models/digits/versions/1", text);
    api.on("POST /v1/chat/completions", { usage: { completion_tokens: 7 } });
    const { exitCode, stdout } = await cli("bench", "digits", "--requests", "3", "--prompt", "Hello", "-o", "json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout).tokensPerS).toBeGreaterThan(0);
    expect(JSON.parse(api.asked.at(-1)?.body.toString() ?? "")).toMatchObject({
      model: "digits",
      messages: [{ role: "user", content: "Hello" }],
      max_tokens: 32,
    });
  });

  it("measures nothing while the deployment refuses the request", async () => {
    api.on(INFER, { error: "no" }, { status: 400, headers: { "Skerry-Error": "INVALID_REQUEST" } });
    const { exitCode, stderr } = await cli("bench", "digits");
    expect([exitCode, api.asked.filter(({ method }) => method === "POST").length]).toEqual([1, 1]);
    expect(stderr).toContain("digits does not answer the request: INVALID_REQUEST");
  });

  it("warns when another deployment of the model may answer", async () => {
    api.on("GET /api/v1/deployments", listOf(deploymentNamed("digits", true), deploymentNamed("digits-b", true)));
    api.on(INFER, { outputs: [] });
    expect((await cli("bench", "digits", "--requests", "1")).stderr).toContain("digits is deployed by digits-b too");
  });

  it.each([
    [["--rate", "5", "--callers", "5"], "exclude one another"],
    [["--duration", "2h"], "no time up to 10m"],
    [["--callers", "5000"], "Give a whole number from 1 to 1024."],
    [["--file", "x", "--prompt", "y"], "exclude one another"],
  ])("refuses %j", async (args, message) => {
    const { exitCode, stderr } = await cli("bench", "digits", ...args);
    expect([exitCode, stderr.includes(message)]).toEqual([64, true]);
  });
});
