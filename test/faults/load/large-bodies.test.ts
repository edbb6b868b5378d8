import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { inFlightAt } from "../../support/processes/faults/node-faults.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster, type ClusterNode } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

const KIB = 1_024;
const REQUESTS = 400;
const AT_ONCE = 6;

let database: TestDatabase;
let cluster: SkerryCluster;
let nodes: ClusterNode[];

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  nodes = [await cluster.addNode("edge-a"), await cluster.addNode("edge-b")];
  await cluster.publish("echo", identityModel("UINT8", ["n", "bytes"]));
  await cluster.deploy({ name: "echo", model: "echo", version: 1, placement: { edge: { min: 2 } } });
  await cluster.whenDeploymentReady("echo");
  await until(
    "both nodes serve",
    async () => (await cluster.placements("echo")).filter(({ state }) => state === "ready").length === 2,
  );
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

/** One row of random bytes there and back. Resolves to "same" or to what came instead. */
async function echo(base: string, bytes: Buffer, signal: AbortSignal): Promise<string> {
  const head = JSON.stringify({
    inputs: [
      {
        name: "x",
        datatype: "UINT8",
        shape: [1, bytes.byteLength],
        parameters: { binary_data_size: bytes.byteLength },
      },
    ],
    parameters: { binary_data_output: true },
  });
  const answer = await fetch(`${base}/v2/models/echo/infer`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${cluster.adminKey}`,
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(Buffer.byteLength(head)),
    },
    body: Buffer.concat([Buffer.from(head), bytes]),
    signal,
  });
  const body = await answer.arrayBuffer().then(
    (bytes) => Buffer.from(bytes),
    () => undefined,
  );
  if (body === undefined) return signal.aborted ? "vanished" : "cut after its head";
  if (answer.status !== 200) return `${answer.status} ${answer.headers.get("skerry-error")}`;
  const output = body.subarray(Number(answer.headers.get("inference-header-content-length")));
  const digest = (of: Buffer): string => createHash("sha256").update(of).digest("hex");
  return digest(output) === digest(bytes) ? "same" : `${output.byteLength} other bytes`;
}

describe("bodies whose memory is freed as soon as they are forwarded", () => {
  it("come back as they went, while callers vanish in the middle and a node is killed", async () => {
    const outcomes = new Map<string, number>();
    let sent = 0;
    const ask = async (): Promise<void> => {
      while (sent < REQUESTS) {
        const i = (sent += 1);
        if (i === REQUESTS / 2) nodes[1]?.process.child.kill("SIGKILL");
        const bytes = randomBytes(1 + Math.floor(Math.random() * (i % 4 === 0 ? 1_500 : 200) * KIB));
        const vanishes = i % 5 === 0;
        const signal = vanishes ? AbortSignal.timeout(1 + (i % 8)) : AbortSignal.timeout(20_000);
        const [base = ""] = i % 3 === 0 ? [nodes[0]?.localUrl] : [cluster.url];
        const outcome = await echo(base, bytes, signal).catch(() => (vanishes ? "vanished" : "no answer"));
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
    const { same = 0, vanished = 0, ...others } = Object.fromEntries(outcomes);
    expect(same + vanished).toBeGreaterThan(0.9 * REQUESTS);
    expect(vanished).toBeGreaterThan(0);
    // Three healthy ends: a full queue, those inside the killed node that had no time for another, and large answers
    // of the killed node whose first bytes had passed, so that no other node could answer in its place.
    const { "cut after its head": cut = 0, ...refused } = others;
    expect(cut).toBeLessThanOrEqual(AT_ONCE);
    expect(Object.keys(refused).filter((what) => !/^(429 QUEUE_FULL|503 NODE_LOST)$/.test(what))).toEqual([]);
    const [alive] = nodes;
    if (alive) await until("nothing is in flight", async () => (await inFlightAt(alive)) === 0);
  }, 150_000);
});
