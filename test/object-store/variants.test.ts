import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { globSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { BUCKET, S3_CREDENTIALS, S3Server } from "../support/object-store/s3-server.ts";
import { fp16LayerModel, int8LayerModel, layerInputs, layerModel } from "../support/models/onnx/variant-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { freePort, type SkerryProcess, until } from "../support/processes/skerry-process.ts";
import { floats, npz } from "../unit/cli/support/npz.ts";
import { runCli } from "../unit/cli/support/run-cli.ts";

/** So large is the reference, which needs 384 MiB then; nine tenths of a node's memory are for models. */
const MEBIBYTES = 40;
const [small, large] = ["edge-small", "edge-large"] as const;

let directory: string;
let server: S3Server;
let database: TestDatabase;
let cluster: SkerryCluster;
let other: SkerryProcess | undefined;
const nodes = new Map<string, ClusterNode>();

/** A node on a machine that seems to have so much memory, and takes what the publisher has signed alone. */
const settingsOf = (mebibytes: number) => ({
  NODE_OPTIONS: `--import=data:text/javascript,process.constrainedMemory=()=>${mebibytes * 1_048_576}`,
  SKERRY_SIGNING_KEYS_FILE: path.join(directory, "release.key.pub"),
});

const skerry = (...args: readonly string[]) =>
  runCli(args, { env: { SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey }, cwd: directory });

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-stored-variants-"));
  server = await S3Server.start();
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url, {
    ...S3_CREDENTIALS,
    SKERRY_OBJECT_STORE: `s3://${BUCKET}/skerry`,
    AWS_ENDPOINT_URL: `http://127.0.0.1:${server.port}`,
  });
  await skerry("signing-keys", "generate", path.join(directory, "release.key"));
  nodes.set(small, await cluster.addNode(small, { env: settingsOf(400) }));
  nodes.set(large, await cluster.addNode(large, { env: settingsOf(4_096) }));
}, 120_000);

afterAll(async () => {
  await other?.stop();
  await cluster?.stop();
  await database?.stop();
  await server?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** What each node has, as `node state variant`, when there are so many. */
const placed = (state: string, count: number): Promise<readonly string[]> =>
  until(
    `${count} replicas are ${state}`,
    async () => {
      const all = (await cluster.placements("layer")).filter((each) => each.state === state);
      return all.length === count && all.map(({ node, variant }) => `${node} ${variant}`).toSorted();
    },
    90_000,
  );

const answersOf = async (url: string, node: string): Promise<readonly number[]> => {
  const inputs = [{ name: "x", datatype: "FP32", shape: [1, 32], data: [...layerInputs(1)] }];
  const answer = await fetch(`${url}/v2/models/layer/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${cluster.adminKey}`, "Skerry-Prefer": `node=${node}` },
    body: JSON.stringify({ inputs }),
  });
  const body = (await answer.json()) as { outputs?: { data: number[] }[]; error?: string };
  expect([answer.status, answer.headers.get("skerry-node")]).toEqual([200, node]);
  return body.outputs?.[0]?.data ?? [];
};

const graphsOn = (node: string): readonly string[] =>
  globSync("artifacts/*/*.onnx", { cwd: nodes.get(node)?.stateDir ?? "" })
    .map((file) => path.basename(file))
    .toSorted();

describe("a signed version with variants whose files are in a bucket", () => {
  it("is compared, signed and pushed, and leaves nothing beside the bucket", async () => {
    const folder = path.join(directory, "layer");
    await mkdir(folder);
    for (const [name, bytes] of Object.entries({
      "model.onnx": layerModel({ mebibytes: MEBIBYTES }),
      "model.int8.onnx": int8LayerModel(),
      "model.fp16.onnx": fp16LayerModel(),
      "samples.npz": npz({ x: floats([100, 32], [...layerInputs(100)]) }),
      "variants.yaml":
        "variants:\n  - { name: int8, file: model.int8.onnx }\n  - { name: fp16, file: model.fp16.onnx }\n",
    }))
      await writeFile(path.join(folder, name), bytes);
    const { exitCode, stderr } = await skerry(
      "models",
      "push",
      folder,
      "--model",
      "layer",
      "--sign",
      path.join(directory, "release.key"),
    );
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/Variant fp16: .* 100 samples.*signed by the key/s)]);
    expect(await readdir(path.join(cluster.directory, "control-plane", "scratch"))).toEqual([]);
  }, 120_000);

  it("gives each node its own variant, which that node takes by its signature", async () => {
    await cluster.deploy({ name: "layer", model: "layer", version: 1, placement: { edge: { every: true } } });
    expect(await placed("ready", 2)).toEqual([`${large} reference`, `${small} int8`]);
    expect([graphsOn(small), graphsOn(large)]).toEqual([["model.int8.onnx"], ["model.onnx"]]);
  }, 120_000);

  it("is served by a second control plane, which has all of its files", async () => {
    const port = await freePort();
    const folder = path.join(cluster.directory, `control-plane-${port}`);
    await mkdir(folder);
    other = cluster.addControlPlane(port, { SKERRY_DATA_DIR: folder });
    const url = `http://127.0.0.1:${port}`;
    await until("it is ready", async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok === true, 60_000);
    const near = await answersOf(url, small);
    const exact = await answersOf(url, large);
    expect(near).not.toEqual(exact);
    for (const [at, value] of exact.entries()) expect(near[at]).toBeCloseTo(value, 0);

    const version = `${url}/api/v1/models/layer/versions/1`;
    const headers = { authorization: `Bearer ${cluster.adminKey}` };
    const manifest = await (await fetch(`${version}/manifest?variant=fp16`, { headers })).json();
    expect(manifest).toMatchObject({ main: "model.fp16.onnx" });
    const file = await fetch(`${version}/artifact?file=model.fp16.onnx`, { headers });
    expect(Buffer.from(await file.arrayBuffer()).equals(Buffer.from(fp16LayerModel()))).toBe(true);
  }, 120_000);

  it("is stopped by a node when the signature of its variant is another one's", async () => {
    await other?.stop();
    await cluster.controlPlane.kill();
    // As a control plane that was taken over could: the reference's signature for the variant.
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(
      "UPDATE model_versions SET release = jsonb_set(release, '{variants,int8}', release->'signature')",
    );
    await client.end();
    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
    expect(await placed("failed", 1)).toEqual([`${small} int8`]);
    expect(await placed("ready", 1)).toEqual([`${large} reference`]);
    const failed = (await cluster.placements("layer")).find(({ node }) => node === small);
    expect(JSON.stringify(failed)).toContain("does not hold for these bytes");
  }, 120_000);
});
