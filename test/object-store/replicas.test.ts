import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ModelVersion } from "../../shared/api/v1/models.ts";
import { largeModel } from "../support/models/onnx/large-model.ts";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { TcpProxy } from "../support/network/tcp-proxy.ts";
import { BUCKET, S3_CREDENTIALS, S3Server } from "../support/object-store/s3-server.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { freePort, type SkerryProcess, until } from "../support/processes/skerry-process.ts";

const MIB = 1024 * 1024;

let server: S3Server;
let proxy: TcpProxy;
let database: TestDatabase;
let cluster: SkerryCluster;
const others: SkerryProcess[] = [];
let settings: NodeJS.ProcessEnv;

beforeAll(async () => {
  server = await S3Server.start();
  proxy = await TcpProxy.start();
  proxy.pointAt(server.port);
  database = await startTestDatabase();
  settings = {
    ...S3_CREDENTIALS,
    DATABASE_URL: database.url,
    SKERRY_OBJECT_STORE: `s3://${BUCKET}/skerry`,
    AWS_ENDPOINT_URL: `http://127.0.0.1:${proxy.port}`,
  };
  cluster = await SkerryCluster.start(database.url, settings);
}, 120_000);

afterAll(async () => {
  await Promise.all(others.map((each) => each.stop()));
  await cluster?.stop();
  await proxy?.stop();
  await database?.stop();
  await server?.stop();
});

/** Another control plane on the same database and bucket, with a folder of its own. Resolves with its address when it has started. */
async function another(
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly url: string; readonly process: SkerryProcess }> {
  const port = await freePort();
  const folder = path.join(cluster.directory, `control-plane-${port}`);
  await mkdir(folder);
  const child = cluster.addControlPlane(port, { SKERRY_DATA_DIR: folder, ...env });
  others.push(child);
  const url = `http://127.0.0.1:${port}`;
  await until(
    "the other control plane has started or ended",
    async () => {
      if (child.child.exitCode !== null) return true;
      return (await fetch(`${url}/readyz?for=admin`).catch(() => undefined))?.ok === true;
    },
    60_000,
  );
  return { url, process: child };
}

async function ask(url: string, method: string, resource: string, body?: Uint8Array): Promise<Response> {
  const type = body ? { "content-type": "application/octet-stream" } : undefined;
  const answer = await fetch(`${url}${resource}`, {
    method,
    headers: { authorization: `Bearer ${cluster.adminKey}`, ...type },
    ...(body && { body: new Uint8Array(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${resource}: ${answer.status} ${await answer.text()}`);
  return answer;
}

const isReady = (url: string, model: string) =>
  until(
    `${model}:1 is ready`,
    async () => {
      const found = (await (await ask(url, "GET", `/api/v1/models/${model}/versions/1`)).json()) as ModelVersion;
      if (found.state === "rejected") throw new Error(found.reason ?? "");
      return found.state === "ready";
    },
    60_000,
  );

describe("two control planes with one bucket", () => {
  let other: Awaited<ReturnType<typeof another>>;

  it("take the bytes of one upload in turns, and either sends the model to its nodes", async () => {
    other = await another();
    const { url } = other;
    const file = largeModel(12, 3);
    const { uploadUrl } = await cluster.declare("shared", file);
    await ask(cluster.url, "PUT", `${uploadUrl}?offset=0`, file.subarray(0, 9 * MIB));
    expect((await ask(url, "HEAD", uploadUrl)).headers.get("upload-offset")).toBe(String(9 * MIB));
    await ask(url, "PUT", `${uploadUrl}?offset=${9 * MIB}`, file.subarray(9 * MIB, 11 * MIB));
    await ask(cluster.url, "PUT", `${uploadUrl}?offset=${11 * MIB}`, file.subarray(11 * MIB));
    await ask(url, "POST", `${uploadUrl}/complete`);
    await isReady(cluster.url, "shared");

    await cluster.addNode("edge-a");
    await cluster.deploy({ name: "shared", model: "shared", version: 1, limits: { memMiB: 1_024 } });
    await cluster.whenDeploymentReady("shared", 60_000);
    const lookup = { inputs: [{ name: "index", datatype: "INT64", shape: [1], data: [0] }] };
    expect((await cluster.infer("shared", lookup)).status).toBe(200);
    // What was brought to the check is gone from every folder.
    for (const folder of ["control-plane", path.basename(url.replace("http://127.0.0.1:", "control-plane-"))])
      expect(await readdir(path.join(cluster.directory, folder, "scratch"))).toEqual([]);
  }, 120_000);

  it("finish each other's checks: one is killed as the upload is completed", async () => {
    const file = largeModel(20, 4);
    const { uploadUrl } = await cluster.declare("orphan", file);
    await ask(other.url, "PUT", `${uploadUrl}?offset=0`, file);
    await ask(other.url, "POST", `${uploadUrl}/complete`);
    await other.process.kill();
    const second = await another();
    await isReady(second.url, "orphan");
    const downloaded = await ask(second.url, "GET", "/api/v1/models/orphan/versions/1/artifact");
    expect(Buffer.from(await downloaded.arrayBuffer()).equals(Buffer.from(file))).toBe(true);
  }, 120_000);
});

describe("the bucket is away", () => {
  it("while a model is sent to a node: the push goes on when it is back, and what serves serves on", async () => {
    const file = largeModel(60, 5);
    await cluster.publish("late", file);
    const sent = proxy.counters.bytesDown;
    await cluster.deploy({ name: "late", model: "late", version: 1, limits: { memMiB: 1_024 } });
    await until("some of it is on its way", async () => proxy.counters.bytesDown - sent > 10 * MIB, 60_000);
    await server.kill();
    const lookup = { inputs: [{ name: "index", datatype: "INT64", shape: [1], data: [0] }] };
    expect((await cluster.infer("shared", lookup)).status).toBe(200);
    const refused = await fetch(`${cluster.url}/api/v1/models/shared/versions/1/artifact`, {
      headers: { authorization: `Bearer ${cluster.adminKey}` },
    });
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    await server.resume();
    await cluster.whenDeploymentReady("late", 120_000);
    expect((await cluster.events()).map(({ reason }) => reason)).not.toContain("ModelBytesDamaged");
    const metrics = await (await fetch(`${cluster.url}/metrics`)).text();
    for (const labels of ['operation="PutObject",outcome="answered"', 'operation="GetObject",outcome="failed"'])
      expect(metrics).toContain(`skerry_object_store_seconds_count{${labels}}`);
  }, 240_000);

  it("while a control plane starts: it starts, and models are published when the bucket is back", async () => {
    await server.kill();
    const { url, process: starting } = await another();
    expect((await fetch(`${url}/readyz?for=admin`)).ok).toBe(true);
    expect(starting.output).toContain("the object store does not answer");
    expect(starting.output).not.toContain(S3_CREDENTIALS.AWS_SECRET_ACCESS_KEY);
    await server.resume();
    expect(await cluster.publish("after", identityModel("FP32", ["n", 2]))).toMatchObject({ state: "ready" });
  }, 120_000);
});

describe("a control plane whose bucket refuses it", () => {
  it("does not start, and says which setting to correct, with the code of invalid settings", async () => {
    const { process: refused } = await another({ AWS_SECRET_ACCESS_KEY: "not-this-one" });
    expect(await refused.exited).toBe(78);
    expect(refused.output).toContain("the control plane cannot start with these settings:");
    expect(refused.output).toContain("SKERRY_OBJECT_STORE: the object store");
    expect(refused.output).toContain("correct AWS_SECRET_ACCESS_KEY or the credentials file");
    expect(refused.output).not.toContain("not-this-one");
  }, 60_000);
});
