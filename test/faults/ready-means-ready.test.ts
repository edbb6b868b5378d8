import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Deployment } from "../../shared/api/deployments.ts";
import { softmaxModel } from "../support/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { SkerryCluster } from "../support/skerry-cluster.ts";

const NODES = 4;

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.publish("softmax", softmaxModel());
}, 60_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

describe("a deployment that says it is ready", () => {
  it("answers its first request, on a node that served nothing before", async () => {
    const body = {
      inputs: [{ name: "x", datatype: "FP32", shape: [1, 784], data: Array.from({ length: 784 }, () => 1) }],
    };
    const statuses: number[] = [];
    for (let replicas = 1; replicas <= NODES; replicas += 1) {
      const { name } = await cluster.addNode(`edge-${replicas}`);
      await cluster.deploy({ name: "softmax", model: "softmax", version: 1, placement: { edge: { min: replicas } } });
      // Asked without a pause: some milliseconds later it is true anyway.
      while ((await cluster.get<Deployment>("/deployments/softmax")).status.edge.ready < replicas);
      const answer = await cluster.infer("softmax", body, { headers: { "Skerry-Prefer": `node=${name}` } });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual(statuses.map(() => 200));
  }, 90_000);
});
