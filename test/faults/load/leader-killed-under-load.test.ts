import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readFile } from "node:fs/promises";
import { digitRequests } from "../../support/models/digit-request.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, type SkerryProcess, until } from "../../support/processes/skerry-process.ts";
import { steadyLoad } from "../../support/processes/steady-load.ts";

const LEADS_WITHIN_MS = 15_000;

let database: TestDatabase;
let cluster: SkerryCluster;
let other: SkerryProcess;
let otherUrl: string;

beforeAll(async () => {
  database = await startTestDatabase();
  const [port, otherPort] = [await freePort(), await freePort()];
  const [first, second] = [`ws://127.0.0.1:${port}`, `ws://127.0.0.1:${otherPort}`];
  otherUrl = `http://127.0.0.1:${otherPort}`;
  cluster = await SkerryCluster.start(database.url, {
    SKERRY_PORT: String(port),
    SKERRY_NODE_URLS: `${first},${second}`,
  });
  other = cluster.addControlPlane(otherPort, { SKERRY_NODE_URLS: `${second},${first}` });
  await until("the other one is ready", async () => (await fetch(`${otherUrl}/readyz`).catch(() => undefined))?.ok);
  await cluster.addNode("edge-a");
  await cluster.addNode("edge-b", { env: { SKERRY_URL: otherUrl } });
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
  await cluster.deploy({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } });
  await cluster.whenDeploymentReady("digits");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await other?.stop();
  await database?.stop();
});

describe("the leading control plane is killed under load", () => {
  it("is followed by the other one, which serves on and takes its nodes", async () => {
    const [request] = digitRequests();
    if (!request) throw new Error("there is no request");
    const load = steadyLoad(20, () => cluster.infer("digits", request.body, { base: otherUrl }));
    await until("the load is served", () => load.ended.some(({ status }) => status === 200));
    const killedAt = performance.now();
    await cluster.controlPlane.kill();
    await until("the other one leads", () => other.output.includes("leading the control loop"), 30_000);
    const ledAfterMs = performance.now() - killedAt;
    const nodes = async (): Promise<readonly { name: string; state: string; epoch: number }[]> => {
      const answer = await fetch(`${otherUrl}/api/v1/nodes`, {
        headers: { authorization: `Bearer ${cluster.adminKey}` },
      });
      return ((await answer.json()) as { items: { name: string; state: string; epoch: number }[] }).items;
    };
    await until(
      "the node of the dead one is ready again",
      async () => (await nodes()).some(({ name, state, epoch }) => name === "edge-a" && state === "ready" && epoch > 1),
      40_000,
    );
    const samples = await load.stop();
    expect(ledAfterMs).toBeLessThan(LEADS_WITHIN_MS);
    expect(samples.filter(({ status }) => status !== 200)).toEqual([]);
  }, 180_000);
});
