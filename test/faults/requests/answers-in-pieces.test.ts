import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { encodeRequest } from "../../../shared/inference/request.ts";
import { inFlightAt } from "../../support/processes/faults/node-faults.ts";
import { softmaxModel, zerosModel } from "../../support/models/onnx/onnx-models.ts";
import { begin, type Begun } from "../../support/fakes/pieces-client.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

const MEBI = 1_048_576;
const CALLERS = 1_000;
const AT_ONCE = 50;

let database: TestDatabase;
let cluster: SkerryCluster;
/** Its answers are made piece by piece, as each request asks. */
let generating: ClusterNode;
/** Runs ONNX models. */
let real: ClusterNode;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  generating = await cluster.addNode("edge-a", { answersInPieces: true });
  real = await cluster.addNode("cloud-b", { kind: "cloud" });
  await deploy("pieces", softmaxModel(), { edge: { min: 1 }, cloud: { min: 0 } });
  await deploy("zeros", zerosModel(), { edge: { min: 0 }, cloud: { min: 1 } });
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

async function deploy(name: string, file: Uint8Array, placement: object): Promise<void> {
  await cluster.publish(name, file);
  await cluster.deploy({ name, model: name, version: 1, placement, limits: { memMiB: 1_024 } });
  await cluster.whenDeploymentReady(name);
}

const portOf = ({ localUrl }: ClusterNode): number => Number(new URL(localUrl).port);

function ask(model: string, body: Uint8Array, headers: Record<string, string>, port = cluster.port): Promise<Begun> {
  const authorization = `Bearer ${cluster.adminKey}`;
  return begin({ port, path: `/v2/models/${model}/infer`, body, headers: { authorization, ...headers } });
}

const generate = (request: object, port?: number): Promise<Begun> =>
  ask("pieces", Buffer.from(JSON.stringify(request)), { "content-type": "application/json" }, port);

/** So many bytes of zeros. */
function zeros(bytes: number, port?: number): Promise<Begun> {
  const data = BigInt64Array.of(BigInt(bytes / 4));
  const tensor = { name: "x", datatype: "INT64" as const, shape: [1], data };
  const { body, headerLength } = encodeRequest({ inputs: [{ tensor, binary: true }], binaryOutput: true });
  const headers = {
    "content-type": "application/octet-stream",
    "inference-header-content-length": String(headerLength),
  };
  return ask("zeros", body, headers, port);
}

const whenIdle = (node: ClusterNode): Promise<true> =>
  until(`nothing is in flight at ${node.name}`, async () => (await inFlightAt(node)) === 0);

describe("answers in pieces, from the model host to the caller", () => {
  it("come whole, through the control plane and from the node itself, with or without a length", async () => {
    const request = { pieces: 50, bytes: 2_000, everyMs: 2 };
    for (const port of [cluster.port, portOf(generating)])
      expect(await (await generate(request, port)).rest()).toMatchObject({ bytes: 100_000 });
    for (const port of [cluster.port, portOf(real)]) {
      const answer = await zeros(64 * MEBI, port);
      expect(answer.status).toBe(200);
      expect((await answer.rest()).bytes).toBeGreaterThan(64 * MEBI);
    }
    await whenIdle(generating);
  }, 120_000);

  it("stop with a reader who takes nothing, and with no other one", async () => {
    const sleepers: Begun[] = [];
    for (const port of [cluster.port, portOf(real), cluster.port, portOf(real), cluster.port])
      sleepers.push(await zeros(16 * MEBI, port));
    for (const port of [cluster.port, portOf(real)])
      for (let i = 0; i < 5; i += 1) {
        const answer = await zeros(2 * MEBI, port);
        expect([answer.status, (await answer.rest()).bytes > 2 * MEBI]).toEqual([200, true]);
      }
    expect((await sleepers[0]?.rest())?.bytes).toBeGreaterThan(16 * MEBI);
    for (const sleeper of sleepers.slice(1)) sleeper.vanish();
    // Their answers leave the host's room: as many again fit.
    await until("there is room for large answers", async () => {
      const answer = await zeros(100 * MEBI);
      answer.vanish();
      return answer.status === 200;
    });
  }, 120_000);

  it("leave nothing behind when their callers vanish in the middle, at the control plane and at the node", async () => {
    const seen = new Map<number, number>();
    const callOnce = async (i: number): Promise<void> => {
      const port = i % 2 === 0 ? cluster.port : undefined;
      const caller = await (i % 5 === 0
        ? generate({ pieces: 1e9, bytes: 20, everyMs: 1 }, port ?? portOf(generating))
        : zeros((i % 3) * MEBI + 4, port ?? portOf(real)));
      seen.set(caller.status, (seen.get(caller.status) ?? 0) + 1);
      caller.vanish();
    };
    for (let wave = 0; wave < CALLERS / AT_ONCE; wave += 1)
      await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => callOnce(i)));
    await Promise.all([whenIdle(generating), whenIdle(real)]);
    expect([...seen.keys()].filter((status) => status !== 200 && status !== 429)).toEqual([]);
    expect(await (await generate({ pieces: 5, bytes: 10, everyMs: 1 })).rest()).toMatchObject({ bytes: 50 });
    expect((await (await zeros(64 * MEBI)).rest()).bytes).toBeGreaterThan(64 * MEBI);
  }, 180_000);

  it("are cut off, and recorded as NODE_LOST, when their node is killed in the middle", async () => {
    const answer = await generate({ pieces: 1e9, bytes: 20, everyMs: 1 });
    await generating.process.kill();
    await expect(answer.rest()).rejects.toThrow("aborted");
    await until("the metrics tell why", async () => {
      const text = await (
        await fetch(`${cluster.url}/metrics`, { headers: { authorization: `Bearer ${cluster.adminKey}` } })
      ).text();
      return /^skerry_inferences_total\{[^}]*NODE_LOST[^}]*\} 1$/m.test(text);
    });
  }, 60_000);
});
