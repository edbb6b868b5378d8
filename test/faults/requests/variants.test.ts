import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { globSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Node } from "../../../shared/api/v1/nodes/nodes.ts";
import { fp16LayerModel, int8LayerModel, layerInputs, layerModel } from "../../support/models/onnx/variant-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { floats, npz } from "../../unit/cli/support/npz.ts";
import { type CliResult, runCli } from "../../unit/cli/support/run-cli.ts";

/** So large is the reference, which needs 384 MiB then, int8 and fp16 320; nine tenths of a node's memory are for models. */
const MEBIBYTES = 40;
/** Settings of a node on a machine that seems to have so much memory. */
const memoryOf = (mebibytes: number) => ({
  NODE_OPTIONS: `--import=data:text/javascript,process.constrainedMemory=()=>${mebibytes * 1_048_576}`,
});
const [small, large] = ["edge-small", "edge-large"] as const;

let directory: string;
let database: TestDatabase;
let cluster: SkerryCluster;
/** Variants that answers named. */
const seen: (string | undefined)[] = [];
const nodes = new Map<string, ClusterNode>();

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-variants-"));
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  nodes.set(small, await cluster.addNode(small, { env: memoryOf(400) }));
  nodes.set(large, await cluster.addNode(large, { env: memoryOf(4_096) }));
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
  await rm(directory, { recursive: true, force: true });
});

const skerry = (...args: readonly string[]): Promise<CliResult> =>
  runCli(args, { env: { SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey }, cwd: directory });

async function folderOf(name: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  const folder = path.join(directory, name);
  await mkdir(folder);
  for (const [file, bytes] of Object.entries(files)) await writeFile(path.join(folder, file), bytes);
  return folder;
}

/** What each node has, as `node variant`, when all of it answers. */
const served = (wanted: number): Promise<readonly string[]> =>
  until(
    "all replicas answer",
    async () => {
      const placements = await cluster.placements("layer");
      const isThere =
        placements.length === 2 && placements.every(({ state, version }) => state === "ready" && version === wanted);
      return isThere && placements.map(({ node, version, variant }) => `${node} ${version} ${variant}`).toSorted();
    },
    60_000,
  );

async function answerOf(node: string): Promise<readonly number[]> {
  const inputs = [{ name: "x", datatype: "FP32", shape: [1, 32], data: [...layerInputs(1)] }];
  const answer = await cluster.infer("layer", { inputs }, { headers: { "Skerry-Prefer": `node=${node}` } });
  const body = (await answer.json()) as { outputs?: { data: number[] }[]; error?: string };
  if (body.outputs === undefined) throw new Error(`${answer.status} ${body.error}`);
  expect(answer.headers.get("skerry-node")).toBe(node);
  seen.push(/variant=([a-z0-9]+)/.exec(answer.headers.get("skerry-route") ?? "")?.[1]);
  return body.outputs[0]?.data ?? [];
}

/** The graphs on the disk of a node. */
const graphsOn = (node: string): readonly string[] =>
  [
    ...new Set(
      globSync("artifacts/*/*.onnx", { cwd: nodes.get(node)?.stateDir ?? "" }).map((file) => path.basename(file)),
    ),
  ].toSorted();

const VARIANTS = "variants:\n  - { name: int8, file: model.int8.onnx }\n  - { name: fp16, file: model.fp16.onnx }\n";
const deploy = (over: object) =>
  cluster.deploy({ name: "layer", model: "layer", version: 1, placement: { edge: { every: true } }, ...over });

describe("a version with variants", () => {
  it("is pushed as a folder, and the figures of its variants are shown", async () => {
    const folder = await folderOf("layer", {
      "model.onnx": layerModel({ mebibytes: MEBIBYTES }),
      "model.int8.onnx": int8LayerModel(),
      "model.fp16.onnx": fp16LayerModel(),
      "samples.npz": npz({ x: floats([100, 32], [...layerInputs(100)]) }),
      "variants.yaml": VARIANTS,
    });
    const { exitCode, stderr } = await skerry("models", "push", folder, "--model", "layer", "--wait");
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringMatching(
        /Variant int8: model.int8.onnx \(\d.*\), decides as the reference in 100 % of 100 samples, largest difference 0.\d+/,
      ),
    ]);
    expect((await skerry("models", "inspect", "layer:1")).stdout).toMatch(
      /Variants +reference: model.onnx \(40 MiB\)\n +int8: .*\n +fp16: /,
    );
  }, 180_000);

  it("gives each node the one that fits it, and only its files", async () => {
    await deploy({});
    expect(await served(1)).toEqual(["edge-large 1 reference", "edge-small 1 int8"]);
    expect([graphsOn(small), graphsOn(large)]).toEqual([["model.int8.onnx"], ["model.onnx"]]);
    const [exact, near] = [await answerOf(large), await answerOf(small)];
    expect(seen).toEqual(["reference", "int8"]);
    expect(near).not.toEqual(exact);
    for (const [at, value] of exact.entries()) expect(near[at]).toBeCloseTo(value, 0);
  }, 180_000);

  it("says which one a node has, and why", async () => {
    expect((await skerry("models", "where", "layer:1")).stdout).toMatch(/edge-small .*layer:1 \(int8\)/);
    const { stdout } = await skerry("explain", "layer");
    expect(stdout).toContain("layer:1 (int8: reference needs 384 MiB of memory, and the node has 360 for models)");
    expect(stdout).toContain("layer:1 (reference: it fits, and none was measured to be much quicker)");
  });

  it("refuses a variant that the version has not", async () => {
    await expect(deploy({ variant: "int4" })).rejects.toThrow(
      /400.*layer:1 has no variant int4: it has reference, int8, fp16/s,
    );
  });

  it("brings a pinned one in place of what a node has, and keeps answering", async () => {
    await deploy({ variant: "fp16" });
    const asked: number[] = [];
    const all = await until(
      "both have it",
      async () => {
        const inputs = [{ name: "x", datatype: "FP32", shape: [1, 32], data: [...layerInputs(1)] }];
        asked.push((await cluster.infer("layer", { inputs })).status);
        const placements = await cluster.placements("layer");
        const names = placements.map(({ node, state, variant }) => `${node} ${state} ${variant}`).toSorted();
        return names.length === 2 && names.every((name) => name.endsWith("ready fp16")) && names;
      },
      90_000,
    );
    expect(all).toEqual(["edge-large ready fp16", "edge-small ready fp16"]);
    expect(new Set(asked)).toEqual(new Set([200]));
  }, 180_000);

  it("makes way for a version without variants", async () => {
    await cluster.publish("layer", layerModel());
    await deploy({ version: 2 });
    expect(await served(2)).toEqual(["edge-large 2 null", "edge-small 2 null"]);
    expect(await answerOf(small)).toEqual(await answerOf(large));
  }, 180_000);

  it("is refused at its push when a variant decides otherwise", async () => {
    const folder = await folderOf("wrong", {
      "model.onnx": layerModel(),
      "model.int8.onnx": int8LayerModel({ sign: -1 }),
      "samples.npz": npz({ x: floats([100, 32], [...layerInputs(100)]) }),
      "variants.yaml": "variants: [{ name: int8, file: model.int8.onnx }]\n",
    });
    const { exitCode, stderr } = await skerry("models", "push", folder, "--model", "layer", "--wait");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("variant int8, on 100 samples: it decides as the reference in 0 % of them");
  }, 180_000);

  it("seems to run on nodes of different memory", async () => {
    const { items } = await cluster.get<{ items: Node[] }>("/nodes");
    expect(items.map(({ name, capabilities }) => `${name} ${capabilities?.memMiB}`).toSorted()).toEqual([
      "edge-large 4096",
      "edge-small 400",
    ]);
  });
});
