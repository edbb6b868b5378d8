import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Rollout } from "../../../../shared/api/v1/rollouts/rollouts.ts";
import { constant, model } from "../../../support/models/onnx/onnx-builder.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { modelHostsOf } from "../../../support/processes/process-facts.ts";
import { SkerryCluster, type ClusterNode } from "../../../support/processes/skerry-cluster.ts";
import { until } from "../../../support/processes/skerry-process.ts";
import { steadyLoad } from "../../../support/processes/steady-load.ts";

const PATIENCE_MS = 90_000;
const BODY = { inputs: [{ name: "x", shape: [1, 1], datatype: "FP32", data: [1] }] };

let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;

/** Adds its number to what it is given. */
const addition = (number: number): Uint8Array =>
  model({
    nodes: [{ opType: "Add", input: ["x", "number"], output: ["y"] }],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 1] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", 1] }],
    constants: [constant("number", "FP32", [1], Float32Array.of(number))],
  });
const deploy = (version: number) => {
  const rollout = { strategy: "canary", waves: [{ percent: 50 }], bakeSeconds: 3_600 };
  // What ends the host of one version ends none of the other.
  const limits = { isolation: "dedicated" };
  return cluster.deploy({ name: "sums", model: "sums", version, limits, placement: { edge: { min: 2 } }, rollout });
};

/** At the node's own address, of the version that it chooses. */
const ask = (): Promise<Response> => cluster.infer("sums", BODY, { base: node.localUrl });
const answerOf = async (asked: Promise<Response>): Promise<unknown> =>
  ((await (await asked).json()) as { outputs?: { data: number[] }[] }).outputs?.[0]?.data[0];
/** What the node says of version 2. */
const ofVersion2 = async (): Promise<string> =>
  (await cluster.infer("sums/versions/2", BODY, { base: node.localUrl }).catch(() => undefined))?.text() ?? "";

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await Promise.all(["edge-a", "edge-b"].map((name) => cluster.addNode(name)));
  for (const number of [10, 20]) await cluster.publish("sums", addition(number));
  await deploy(1);
  await cluster.whenDeploymentReady("sums", PATIENCE_MS);
}, 180_000);
afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

it("a node without a control plane serves the version before while the one on trial crashes, also after a restart", async () => {
  const hostsBefore = new Map<string, readonly number[]>();
  for (const [name, { process: each }] of cluster.nodes) hostsBefore.set(name, await modelHostsOf(each.child.pid ?? 0));
  await deploy(2);
  const baking = await until(
    "version 2 bakes",
    async () => {
      const found = await cluster.get<Rollout>("/deployments/sums/rollout").catch(() => undefined);
      return found?.phase === "baking" ? found : undefined;
    },
    PATIENCE_MS,
  );
  const name = baking.nodes.find(({ state }) => state === "switched")?.node ?? "";
  const found = cluster.nodes.get(name);
  if (!found) throw new Error(`there is no ${name}`);
  node = found;
  await until("the node has version 2", async () => (await ofVersion2()).includes("21"), PATIENCE_MS);
  cluster.controlPlane.child.kill("SIGKILL");

  const load = steadyLoad(20, ask);
  const isOver = async (): Promise<boolean> => {
    const hosts = await modelHostsOf(node.process.child.pid ?? 0);
    for (const pid of hosts) if (hostsBefore.get(name)?.includes(pid) !== true) process.kill(pid, "SIGKILL");
    return (await ofVersion2()).includes("version 2 is failed");
  };
  await until("the node gives version 2 up", isOver, PATIENCE_MS);
  const samples = await load.stop();
  expect(samples.filter(({ status }) => status !== 200)).toEqual([]);
  expect(await answerOf(ask())).toBe(11);

  await node.process.stop();
  node.restart();
  await until("the node has both versions again", async () => (await ofVersion2()).includes("21"), PATIENCE_MS);
  // Until it is loaded the node answers with what it has.
  await until("version 1 is back", async () => (await answerOf(ask()).catch(() => 0)) === 11, PATIENCE_MS);
  expect(await answerOf(ask())).toBe(11);
}, 240_000);
