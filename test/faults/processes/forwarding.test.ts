import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { begin, type Begun } from "../../support/fakes/pieces-client.ts";
import { digitRequests } from "../../support/models/digit-request.ts";
import { softmaxModel } from "../../support/models/onnx/onnx-models.ts";
import { PathProxy } from "../../support/network/path-proxy.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { inFlightAt } from "../../support/processes/faults/node-faults.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, type SkerryProcess, until } from "../../support/processes/skerry-process.ts";
import { readFile } from "node:fs/promises";

/** Requests in a row, so that with chance alone one of them would go elsewhere. */
const SEVERAL = 10;

let database: TestDatabase;
let cluster: SkerryCluster;
let other: SkerryProcess;
/** Sends a node's control channel to the first control plane and its other channels to the other one, as chance may. */
let balancer: PathProxy;
let otherPort: number;
/** Its session is at the first control plane, and its other channels come by the other one. */
let spread: ClusterNode;
/** All of it is at the other one, and it answers in pieces. */
let pinned: ClusterNode;

beforeAll(async () => {
  database = await startTestDatabase();
  const port = await freePort();
  otherPort = await freePort();
  balancer = await PathProxy.start();
  balancer.portOf = (head) => (/ \/api\/v1\/node\/(inference|transfer) /.test(head) ? otherPort : port);
  cluster = await SkerryCluster.start(database.url, {
    SKERRY_PORT: String(port),
    SKERRY_NODE_URLS: `ws://127.0.0.1:${balancer.port}`,
  });
  other = cluster.addControlPlane(otherPort, { SKERRY_NODE_URLS: `ws://127.0.0.1:${otherPort}` });
  await until("the other one is ready", () => isReady(otherPort));
  spread = await cluster.addNode("edge-a");
  pinned = await cluster.addNode("edge-b", { answersInPieces: true, env: { SKERRY_URL: urlOf(otherPort) } });
  await deploy("digits", await readFile("examples/digits/models/digits.onnx"), spread);
  await deploy("pieces", softmaxModel(), pinned);
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await other?.stop();
  await balancer?.stop();
  await database?.stop();
});

const urlOf = (port: number): string => `http://127.0.0.1:${port}`;

const isReady = (port: number): Promise<boolean> =>
  fetch(`${urlOf(port)}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

async function deploy(name: string, file: Uint8Array, { name: node }: ClusterNode): Promise<void> {
  await cluster.publish(name, file);
  const where = { matchExpressions: [{ key: "site", operator: "In", values: [node] }] };
  await cluster.deploy({ name, model: name, version: 1, placement: { where, edge: { min: 1 } } });
  await cluster.whenDeploymentReady(name);
}

const pieces = (request: object, port: number): Promise<Begun> =>
  begin({
    port,
    path: "/v2/models/pieces/infer",
    body: Buffer.from(JSON.stringify(request)),
    headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
  });

const isServed = async (port: number): Promise<boolean> =>
  (await pieces({ pieces: 1, bytes: 10, everyMs: 0 }, port)).status === 200;

describe("two control planes, each with a node of its own", () => {
  it("both answer for every node, also for one whose channels are spread over both", async () => {
    const [request] = digitRequests();
    if (!request) throw new Error("there is no request");
    for (const port of [cluster.port, otherPort])
      for (let i = 0; i < SEVERAL; i += 1) {
        const answer = await cluster.infer("digits", request.body, { base: urlOf(port) });
        expect([answer.status, answer.headers.get("skerry-node")]).toEqual([200, "edge-a"]);
      }
  });

  it("both are ready for requests", async () => {
    expect([await isReady(cluster.port), await isReady(otherPort)]).toEqual([true, true]);
  });

  it("pass pieces on as they come, and a caller's going away to the node", async () => {
    const whole = await pieces({ pieces: 50, bytes: 20_000, everyMs: 2 }, cluster.port);
    expect(await whole.rest()).toMatchObject({ bytes: 1_000_000 });
    const left = await pieces({ pieces: 10_000, bytes: 1_000, everyMs: 10 }, cluster.port);
    expect(left.status).toBe(200);
    left.vanish();
    await until("the node has dropped it", async () => (await inFlightAt(pinned)) === 0);
  }, 120_000);

  it("end the answers of one that is killed, and serve its nodes when it is back", async () => {
    const begun = await pieces({ pieces: 10_000, bytes: 1_000, everyMs: 10 }, cluster.port);
    expect(begun.status).toBe(200);
    await other.kill();
    await expect(begun.rest()).rejects.toThrow("aborted");
    expect((await pieces({ pieces: 1, bytes: 10, everyMs: 0 }, cluster.port)).status).toBe(503);
    other = cluster.addControlPlane(otherPort, { SKERRY_NODE_URLS: `ws://127.0.0.1:${otherPort}` });
    await until("edge-b is served again", () => isServed(cluster.port), 60_000);
    const [request] = digitRequests();
    if (!request) throw new Error("there is no request");
    await until("so is edge-a", async () => (await cluster.infer("digits", request.body)).status === 200, 60_000);
  }, 150_000);
});
