import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { Placement } from "../../../shared/api/v1/deployments/placements.ts";
import { softmaxModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

const NODES = 4;

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.publish("softmax", softmaxModel());
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const isComing = ({ state }: Placement): boolean => ["loading", "warming", "ready"].includes(state);

/** How many replicas are ready; 0 too while the key asks more often than it may. */
async function readyNow(): Promise<number> {
  const answer = await cluster.request("GET", "/deployments/softmax", undefined, { accept: [200, 429] });
  const { status } = answer as Deployment | { readonly status: number };
  return typeof status === "number" ? 0 : status.edge.ready;
}

describe("a deployment that says it is ready", () => {
  it("answers its first request, on a node that served nothing before", async () => {
    const body = {
      inputs: [{ name: "x", datatype: "FP32", shape: [1, 784], data: Array.from({ length: 784 }, () => 1) }],
    };
    const statuses: number[] = [];
    for (let replicas = 1; replicas <= NODES; replicas += 1) {
      const { name } = await cluster.addNode(`edge-${replicas}`);
      await cluster.deploy({ name: "softmax", model: "softmax", version: 1, placement: { edge: { min: replicas } } });
      await until("it loads", async () => (await cluster.placements("softmax")).filter(isComing).length === replicas);
      // Asked without a pause: some milliseconds later it is true anyway.
      while ((await readyNow()) < replicas);
      const answer = await cluster.infer("softmax", body, { headers: { "Skerry-Prefer": `node=${name}` } });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual(statuses.map(() => 200));
  }, 150_000);
});
