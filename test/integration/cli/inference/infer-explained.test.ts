import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { EXIT } from "../../../../cli/exit-codes.ts";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi } from "../support/fake-api.ts";

const REQUEST = JSON.stringify({
  inputs: [{ name: "image", shape: [1, 1, 2, 2], datatype: "FP32", data: [0, 1, 1, 0] }],
});
const ANSWER = {
  model_name: "shapes",
  model_version: "3",
  parameters: { skerry_explain: "occlusion" },
  outputs: [
    { name: "scores", datatype: "FP32", shape: [1, 3], data: [0.1, 0.2, 0.7] },
    { name: "explanation", datatype: "FP32", shape: [1, 1, 2, 2], data: [0, 0.5, -0.25, 0] },
  ],
};
const METADATA = {
  name: "shapes",
  versions: ["3"],
  platform: "onnx_onnxv1",
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 2, 2] }],
  outputs: [{ name: "scores", datatype: "FP32", shape: [-1, 3], parameters: { classes: ["round", "square", "line"] } }],
  properties: { "skerry.explainers": "occlusion,integrated-gradients" },
};
const RECORD = {
  id: "e-1",
  modelVersion: "shapes:3",
  deployment: "shapes-edge",
  generation: 1,
  profile: "default",
  trigger: "spec",
  kind: "edge",
  evaluated: 2,
  feasible: 2,
  rejected: {},
  rejections: [],
  top: [],
  chosen: ["edge-b"],
  margin: 3,
  tieBreak: null,
  sentence: "shapes:3 → edge-b (84.7; next edge-a): ahead by headroom",
};

describe("skerry infer --explain", () => {
  let api: FakeApi;
  let folder: string;
  const infer = async (...args: readonly string[]): Promise<CliResult> =>
    runCli(["infer", "shapes", "--data", REQUEST, ...args], {
      env: { SKERRY_SERVER: server, SKERRY_API_KEY: "sk_test" },
    });
  let server: string;

  beforeEach(async () => {
    api = new FakeApi();
    server = await api.start();
    folder = await mkdtemp(join(tmpdir(), "skerry-explained-"));
    api.on("POST /v2/models/shapes:explain", ANSWER, {
      headers: {
        "Skerry-Node": "edge-b",
        "Skerry-Model-Version": "shapes:3",
        "Skerry-Route": 'placement="pl_1", reason=least-eta, eta=3, candidates=2, attempt=1',
      },
    });
    api.on("GET /v2/models/shapes/versions/3", METADATA);
    api.on("GET /api/v1/deployments", {
      items: [
        { name: "other", spec: { model: "other" } },
        { name: "shapes-edge", spec: { model: "shapes" } },
      ],
      nextCursor: null,
    });
    const placed = { placementId: "pl_1", node: "edge-b", state: "ready", decidedAgeMs: 5, explain: RECORD };
    api.on("GET /api/v1/deployments/shapes-edge/explain", {
      deployment: "shapes-edge",
      placements: [placed],
      now: [],
      whyNot: null,
    });
  });
  afterEach(async () => {
    await api.stop();
    await rm(folder, { recursive: true });
  });

  it("joins what was decided, from which inputs, where it ran and why there", async () => {
    const { stdout, exitCode: code } = await infer("--explain");
    expect(code).toBe(EXIT.ok);
    for (const words of [
      'decided   "line", because scores[2] = 0.7 is explained',
      "from      image by occlusion: [0, 1] = 1: +0.5; [1, 0] = 1: −0.25",
      "ran on    edge-b: least-eta of 2: expected to answer first, 3 ms expected",
      "is there  shapes:3 → edge-b (84.7; next edge-a): ahead by headroom",
    ])
      expect(stdout).toContain(words);
  });

  it("explains a pipeline by what its graphs take, whatever its raw input is", async () => {
    const { inputs, outputs } = METADATA;
    api.on("GET /v2/models/shapes/versions/3", {
      ...METADATA,
      platform: "skerry_pipeline",
      inputs: [{ name: "photo", datatype: "BYTES", shape: [-1] }],
      outputs: [...outputs, { name: "decision", datatype: "BYTES", shape: [-1] }],
      properties: { "skerry.infer.inputs": JSON.stringify(inputs), "skerry.infer.outputs": JSON.stringify(outputs) },
    });
    const staged = JSON.stringify({ ...JSON.parse(REQUEST), parameters: { skerry_stages: "infer" } });
    const { stdout, exitCode: code } = await runCli(["infer", "shapes", "--data", staged, "--explain"], {
      env: { SKERRY_SERVER: server, SKERRY_API_KEY: "sk_test" },
    });
    expect([code, stdout]).toEqual([EXIT.ok, expect.stringContaining('decided   "line", because scores[2] = 0.7')]);
    expect(stdout).toContain("from      image by occlusion: [0, 1] = 1: +0.5");
  });

  it("says it for a program, and to the server which method is meant", async () => {
    const { stdout } = await infer("--explain", "integrated-gradients", "-o", "json");
    const { parameters } = JSON.parse(api.asked[0]?.body.toString() ?? "{}") as { readonly parameters: unknown };
    expect(parameters).toEqual({ skerry_explain: "integrated-gradients" });
    expect(JSON.parse(stdout)).toMatchObject({
      response: { model_name: "shapes" },
      explained: {
        decided: [{ element: 2, class: "line", value: 0.7, strongest: [{ place: [0, 1], influence: 0.5 }, {}] }],
        ranOn: { node: "edge-b", modelVersion: "shapes:3", route: { placement: "pl_1" } },
        placed: { deployment: "shapes-edge", node: "edge-b", sentence: RECORD.sentence },
      },
    });
  });

  it("draws the input in grey with the influences over it in red and blue", async () => {
    const file = join(folder, "shape.png");
    expect((await infer("--explain", "--png", file)).exitCode).toBe(EXIT.ok);
    const { width, height, channels, data } = decode(await readFile(file));
    expect([width, height, channels]).toEqual([280, 280, 3]);
    const colourAt = (x: number, y: number): readonly number[] =>
      Array.from(data.slice((y * width + x) * 3, (y * width + x) * 3 + 3), Number);
    expect([colourAt(10, 10), colourAt(270, 10), colourAt(270, 270)]).toEqual([
      [0, 0, 0],
      [220, 30, 30],
      [0, 0, 0],
    ]);
    const [red = 0, , blue = 0] = colourAt(10, 270);
    expect(blue).toBeGreaterThan(red);
  });

  it("leaves out the planner's record where the key may not read it", async () => {
    api.problem("GET /api/v1/deployments", 403, "FORBIDDEN", "no");
    const { stdout, exitCode: code } = await infer("--explain");
    expect([code, stdout]).toEqual([EXIT.ok, expect.stringContaining("this key may not read why")]);
  });

  it("draws nothing without an explanation", async () => {
    const { stderr, exitCode: code } = await infer("--png", join(folder, "shape.png"));
    expect([code, stderr]).toEqual([EXIT.usage, expect.stringContaining("add --explain")]);
  });
});
