import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { MODEL_FILE, SAMPLES_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { bundleDigest } from "../../../../shared/protocol/model-files/bundle-digest.ts";
import { encodeResponse } from "../../../../shared/inference/response.ts";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { floats, npz } from "../../../unit/cli/support/npz.ts";
import { onnx } from "../../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";
import { FakeApi, type Asked } from "../support/fake-api.ts";
import { deploymentNamed, listOf, nodeNamed, versionOf } from "../support/objects.ts";

const MODEL = onnx();
const SAMPLES = npz({ x: floats([1, 2], [1, 2]), y: floats([1, 1], [3]) });
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const INFER = "POST /v2/models/digits/versions/1/infer";

describe("a push with samples", () => {
  let api: FakeApi;
  let folder: string;
  let env: NodeJS.ProcessEnv;
  /** What the model answers, run by run. */
  let answers: number[][];

  beforeEach(async () => {
    api = new FakeApi();
    env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
    folder = await mkdtemp(join(tmpdir(), "skerry-samples-"));
    answers = [[3], [3]];
    await writeFile(join(folder, "model.onnx"), MODEL);
    await writeFile(join(folder, "samples.npz"), SAMPLES);
    const files = [
      { path: MODEL_FILE, content: MODEL },
      { path: SAMPLES_FILE, content: SAMPLES },
    ].map(({ path, content }) => ({ path, bytes: content.length, sha256: sha256(content) }));
    const version = versionOf("digits", {
      digest: bundleDigest(files, MODEL_FILE),
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [-1, 1] }],
    });
    const createdAt = new Date(0).toISOString();
    api.on("GET /api/v1/models/digits", { name: "digits", labels: {}, aliases: {}, latestVersion: 1, createdAt });
    api.on("GET /api/v1/models/digits/versions", listOf(version));
    api.on("GET /api/v1/models/digits/versions/1", version);
    api.on("GET /api/v1/nodes", listOf(nodeNamed("edge-a")));
    api.on("PUT /api/v1/deployments/check-digits-1", deploymentNamed("check-digits-1", true));
    api.on("GET /api/v1/deployments/check-digits-1", deploymentNamed("check-digits-1", true));
    api.on("GET /api/v1/deployments/check-digits-1/placements", listOf());
    api.on("DELETE /api/v1/deployments/check-digits-1", {});
    api.on("PUT /api/v1/models/digits/aliases/champion", { model: "digits", alias: "champion", version: 1 });
    api.on(INFER, (_: Asked, response: ServerResponse) => {
      const data = Float32Array.from(answers.shift() ?? []);
      const tensor = { name: "y", datatype: "FP32", shape: [1, 1], data } as const;
      const { body, headerLength } = encodeResponse({
        modelName: "digits",
        modelVersion: "1",
        id: undefined,
        outputs: [{ tensor, binary: true }],
      });
      response.writeHead(200, { "Inference-Header-Content-Length": String(headerLength) });
      response.end(body);
    });
  });
  afterEach(async () => {
    await api.stop();
    await rm(folder, { recursive: true });
  });

  const push = (): Promise<CliResult> =>
    runCli(
      [
        "models",
        "push",
        join(folder, "model.onnx"),
        "--model",
        "digits",
        "--check",
        join(folder, "samples.npz"),
        "--alias",
        "champion",
      ],
      { env, cwd: folder },
    );
  const asked = (method: string): readonly string[] =>
    api.asked.filter((each) => each.method === method).map(({ path }) => path);

  it("serves the version under a name of its own, compares twice, removes it and moves the alias", async () => {
    const { exitCode, stderr } = await push();
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("samples.npz holds: y is equal.")]);
    expect(asked("POST")).toHaveLength(2);
    expect(asked("DELETE")).toEqual(["/api/v1/deployments/check-digits-1"]);
    expect(asked("PUT")).toEqual(["/api/v1/deployments/check-digits-1", "/api/v1/models/digits/aliases/champion"]);
  });

  it("fails on another answer, removes the deployment and leaves the alias", async () => {
    answers = [[3.5], [3.5]];
    const { exitCode, stderr } = await push();
    expect(exitCode).toBe(1);
    expect(stderr).toContain("y differs by 0.5: element 0 is 3.5 where the samples have 3");
    expect(asked("DELETE")).toHaveLength(1);
    expect(asked("PUT")).toEqual(["/api/v1/deployments/check-digits-1"]);
  });

  it("warns of two runs that differ", async () => {
    answers = [[3], [3.0001]];
    const { exitCode, stderr } = await push();
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringContaining("Warning NotDeterministic: two runs of the same samples differ"),
    ]);
  });
});
