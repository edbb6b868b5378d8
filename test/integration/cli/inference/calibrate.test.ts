import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../../../cli/exit-codes.ts";
import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import { decodeRequest } from "../../../../shared/inference/request.ts";
import { encodeResponse } from "../../../../shared/inference/response.ts";
import { floats, npz } from "../../../unit/cli/support/npz.ts";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { type Asked, FakeApi } from "../support/fake-api.ts";
import { deploymentNamed } from "../support/objects.ts";

const SIGNATURE = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
  outputs: [{ name: "scores", datatype: "FP32", shape: [-1, 2] }],
};
const ROWS = Array.from({ length: 200 }, (_, i) => i / 200);
/** The class is 1 above a half; the small model is wrong where it is unsure, from 0.5 to 0.6. */
const LABELS = ROWS.map((x) => Number(x > 0.5));

/** Answers the scores of each row. */
const model =
  (name: string, scoreOf: (x: number) => number) =>
  ({ body, headers }: Asked, response: ServerResponse): void => {
    const length = Number(headers["inference-header-content-length"]);
    const [input] = decodeRequest(body, length, SIGNATURE).inputs;
    const { data, shape } = input ?? { data: new Float32Array(0), shape: [0] };
    const scores = Array.from<unknown, number>(data, (x) => scoreOf(Number(x))).flatMap((score) => [1 - score, score]);
    const tensor: Tensor = {
      name: "scores",
      datatype: "FP32",
      shape: [shape[0] ?? 0, 2],
      data: Float32Array.from(scores),
    };
    const answer = encodeResponse({
      modelName: name,
      modelVersion: "1",
      id: undefined,
      outputs: [{ tensor, binary: true }],
    });
    response.setHeader("Inference-Header-Content-Length", String(answer.headerLength)).end(Buffer.from(answer.body));
  };

describe("skerry cascade calibrate", () => {
  let api: FakeApi;
  let folder: string;
  let server: string;
  const calibrate = (...args: readonly string[]): Promise<CliResult> =>
    runCli(["cascade", "calibrate", "small", "--data", join(folder, "rows.npz"), ...args], {
      env: { SKERRY_SERVER: server, SKERRY_API_KEY: "sk_test" },
    });

  beforeEach(async () => {
    api = new FakeApi();
    server = await api.start();
    folder = await mkdtemp(join(tmpdir(), "skerry-calibrate-"));
    await writeFile(join(folder, "rows.npz"), npz({ x: floats([200, 1], ROWS), labels: floats([200], LABELS) }));
    const specOf = (name: string, cascade?: object) => {
      const made = deploymentNamed(name, true);
      return { ...made, spec: { ...made.spec, model: name, ...(cascade && { cascade }) } };
    };
    api.on("GET /api/v1/deployments/small", specOf("small", { to: "large", when: {} }));
    api.on("GET /api/v1/deployments/large", specOf("large"));
    api.on("GET /v2/models/small", {
      name: "small",
      versions: ["1"],
      platform: "onnx_onnxv1",
      ...SIGNATURE,
      properties: {},
    });
    api.on(
      "POST /v2/models/small/infer",
      model("small", (x) => x * 0.9),
    );
    api.on(
      "POST /v2/models/large/infer",
      model("large", (x) => x),
    );
  });
  afterEach(async () => {
    await api.stop();
    await rm(folder, { recursive: true });
  });

  it("finds the threshold that asks the large model of the rows in doubt, and holds it against other rows", async () => {
    const { stdout, exitCode } = await calibrate("--tolerance", "0", "-o", "json");
    expect(exitCode).toBe(EXIT.ok);
    const { answer, chosen, heldOut } = JSON.parse(stdout) as Record<string, Record<string, number>>;
    expect(answer).toMatchObject({ measure: "confidence", output: "scores" });
    expect(answer?.["threshold"]).toBeGreaterThan(0.5);
    expect(answer?.["threshold"]).toBeLessThan(0.6);
    expect(chosen).toMatchObject({ rows: 100, right: 1, rightOfLarge: 1 });
    expect(heldOut?.["right"]).toBeGreaterThan(heldOut?.["rightOfSmall"] ?? 1);
    const asked = api.asked.find(({ path }) => path === "/v2/models/small/infer");
    expect(asked?.headers["skerry-cascade"]).toBe("small");
  });

  it("prints what belongs into the deployment", async () => {
    const { stdout } = await calibrate("--measure", "margin");
    expect(stdout).toMatch(/held out +100 +[\d.]+ % +[\d.]+ %/);
    expect(stdout).toMatch(/answer:\n {2}measure: margin\n {2}threshold: [\d.]+\n {2}output: "scores"/);
  });

  it.each([
    [["--labels", "y"], "has no array y"],
    [["--measure", "luck"], "margin, confidence, entropy, energy"],
    [["--tolerance", "2"], "from 0 to below 1"],
  ] as const)("refuses %j", async (args, words) => {
    const { stderr, exitCode } = await calibrate(...args);
    expect([exitCode, stderr]).toEqual([EXIT.usage, expect.stringContaining(words)]);
  });
});
