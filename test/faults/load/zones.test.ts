import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { ExplainResponse } from "../../../shared/api/v1/deployments/explain.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { steadyLoad } from "../../support/processes/steady-load.ts";

const PER_SECOND = 30;
const BODY = { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] };
const EDGES = ["edge-a", "edge-b", "edge-c"];

let database: TestDatabase;
let cluster: SkerryCluster;

/** Each node is a zone of its own. */
beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url, { SKERRY_SUSPECT_MS: "3000", SKERRY_LOST_MS: "6000" });
  for (const name of EDGES) await cluster.addNode(name);
  await cluster.addNode("cloud-a", { kind: "cloud" });
  await cluster.publish("first", identityModel("FP32", ["n", 2]));
  await cluster.publish("second", identityModel("FP32", ["n", 2]));
  await cluster.deploy({
    name: "spread",
    model: "first",
    version: 1,
    placement: { edge: { min: 2 }, cloud: { min: 1 } },
  });
  const residency = "edge-only";
  await cluster.deploy({
    name: "at-the-edge",
    model: "second",
    version: 1,
    placement: { residency, edge: { min: 1 } },
  });
  for (const name of ["spread", "at-the-edge"]) await cluster.whenDeploymentReady(name);
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

/** Edge nodes on which replicas of a deployment are ready. */
const servingOf = async (deployment: string): Promise<readonly string[]> =>
  (await cluster.placements(deployment))
    .filter(({ state, node, nodeState }) => state === "ready" && nodeState === "ready" && EDGES.includes(node))
    .map(({ node }) => node)
    .toSorted();

describe("a deployment in two of three zones", () => {
  it("loses no request when the node of one of them is drained, and is in two zones again", async () => {
    const [drained = ""] = await servingOf("spread");
    const load = steadyLoad(PER_SECOND, () => cluster.infer("first", BODY));
    await until("the load runs", () => load.sent() > 2 * PER_SECOND);
    await cluster.post(`/nodes/${drained}/drain`, {});
    const others = EDGES.filter((name) => name !== drained);
    const isDone = async () => {
      const there = (await cluster.placements("spread")).map(({ node }) => node).filter((node) => EDGES.includes(node));
      return (await servingOf("spread")).join() === others.join() && there.length === 2;
    };
    await until("the replica has moved and its node holds none", isDone, 60_000);
    const after = load.sent();
    await until("the load went on", () => load.sent() > after + PER_SECOND);
    const samples = await load.stop();
    expect(samples.filter(({ status }) => status !== 200)).toEqual([]);
    await cluster.post(`/nodes/${drained}/uncordon`, {});
  }, 180_000);

  it("is in two zones again when the node of one of them is killed", async () => {
    const [killed = ""] = await servingOf("spread");
    await cluster.nodes.get(killed)?.process.kill();
    const others = EDGES.filter((name) => name !== killed);
    await until("the killed one is away", async () => !(await servingOf("spread")).includes(killed), 30_000);
    const serving = await until(
      "two zones serve",
      async () => {
        const there = await servingOf("spread");
        return there.length === 2 && there;
      },
      90_000,
    );
    expect(serving).toEqual(others);
  }, 150_000);
});

describe("sem-edge-only: what is for the edge alone, with its edge nodes gone", () => {
  it("is not served from the cloud, and says why", async () => {
    await until("it is served", async () => (await cluster.infer("second", BODY)).status === 200, 60_000);
    for (const name of EDGES) await cluster.nodes.get(name)?.process.kill();
    const forTheEdge = { headers: { "skerry-residency": "edge-only" } };
    await until("a request for the edge alone is refused for that", async () => {
      const answer = await cluster.infer("first", BODY, forTheEdge);
      expect(answer.headers.get("skerry-node")).not.toBe("cloud-a");
      return answer.headers.get("skerry-error") === "RESIDENCY_UNSATISFIABLE";
    });
    // The cloud node serves all that may be served there.
    expect((await cluster.infer("first", BODY)).headers.get("skerry-node")).toBe("cloud-a");
    const answer = await cluster.infer("second", BODY);
    expect([answer.status, answer.headers.get("skerry-error")]).toEqual([503, "RESIDENCY_UNSATISFIABLE"]);

    await until(
      "the deployment says what is in its way",
      async () => {
        const { status } = await cluster.get<Deployment>("/deployments/at-the-edge");
        const stalled = status.conditions.find(({ type }) => type === "Stalled");
        return stalled?.status === "True" && stalled.message.includes("0 of 3 edge nodes fit");
      },
      60_000,
    );
    const { whyNot } = await cluster.get<ExplainResponse>("/deployments/at-the-edge/explain?node=cloud-a");
    expect(whyNot?.rejections[0]).toMatchObject({
      code: "residency",
      sentence: "at-the-edge is edge-only; cloud-a is a cloud node",
    });
    expect((await cluster.placements("at-the-edge")).filter(({ node }) => node === "cloud-a")).toEqual([]);
    expect((await cluster.infer("second", BODY)).status).toBe(503);
  }, 180_000);
});
