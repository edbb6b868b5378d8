import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readFile } from "node:fs/promises";
import type { Placement } from "../../../shared/api/v1/deployments/placements.ts";
import { digitRequests } from "../../support/models/digit-request.ts";
import { loadBombModel, loopModel, unknownOperatorModel } from "../../support/models/onnx/hostile-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
  await cluster.deploy({ name: "digits", model: "digits", version: 1 });
  await cluster.whenDeploymentReady("digits");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

/** Publishes and deploys a model, and waits for its failure; the other model must answer all the while. */
async function failureOf(name: string, file: Uint8Array): Promise<NonNullable<Placement["failure"]>> {
  const [sample] = digitRequests();
  if (!sample) throw new Error("there are no samples");
  expect(await cluster.publish(name, file)).toMatchObject({ state: "ready" });
  await cluster.deploy({ name, model: name, version: 1, limits: { memMiB: 512, timeoutMs: 1_000 } });
  const failure = await until(
    `${name} failed`,
    async () => {
      const answer = await cluster.infer("digits", sample.body);
      expect(answer.status).toBe(200);
      return (await cluster.placements(name))[0]?.failure ?? undefined;
    },
    90_000,
  );
  expect((await cluster.infer("digits", sample.body)).status).toBe(200);
  return failure;
}

describe("hostile models: the node goes on serving its other model", () => {
  it("kills a model that hangs in its warm run, and says that it hangs", async () => {
    expect(await failureOf("hangs", loopModel({ forever: true }))).toMatchObject({ code: "WARMUP_TIMEOUT" });
  }, 120_000);

  it("ends a model that eats memory while it loads, and says so", async () => {
    expect(await failureOf("eats", loadBombModel(2_000))).toMatchObject({ code: "OUT_OF_MEMORY" });
  }, 120_000);

  it("reports a model that the runtime refuses, in the runtime's words", async () => {
    const failure = await failureOf("refused", unknownOperatorModel());
    expect(failure.code).toBe("LOAD_FAILED");
    expect(failure.detail.length).toBeGreaterThan(20);
  }, 120_000);

  it("reports each of the three as an event, with code and reason", async () => {
    const codes = ["WARMUP_TIMEOUT", "OUT_OF_MEMORY", "LOAD_FAILED"];
    // A placement shows its failure a moment before the event of it is written.
    const told = await until("every failure is told", async () => {
      const messages = (await cluster.events())
        .filter(({ reason }) => reason === "PlacementFailed")
        .map(({ message }) => message);
      return codes.every((code) => messages.some((message) => message.includes(code))) ? messages : undefined;
    });
    expect(told.length).toBeGreaterThanOrEqual(codes.length);
  });
});

describe("broken uploads: nothing becomes placeable", () => {
  it("refuses to complete a truncated upload, naming both lengths, and takes the rest afterwards", async () => {
    const file = await readFile("examples/digits/models/digits-small.onnx");
    const { uploadUrl, version } = await cluster.declare("truncated", file);
    await cluster.upload(uploadUrl, file.subarray(0, 1_000));
    const complete = `${uploadUrl.replace("/api/v1", "")}/complete`;
    await expect(cluster.request("POST", complete)).rejects.toThrow(/UPLOAD_INCOMPLETE/);
    const found = await cluster.get<{ state: string }>(`/models/truncated/versions/${version.version}`);
    expect(found.state).toBe("uploading");
  });

  it("rejects bytes of another digest with a reason", async () => {
    const file = await readFile("examples/digits/models/digits-small.onnx");
    const { uploadUrl, version } = await cluster.declare("swapped", file, { sha256: "0".repeat(64) });
    await cluster.upload(uploadUrl, file);
    await cluster.request("POST", `${uploadUrl.replace("/api/v1", "")}/complete`);
    const rejected = await until("the version is rejected", async () => {
      const found = await cluster.get<{ state: string; reason: string | null }>(
        `/models/swapped/versions/${version.version}`,
      );
      return found.state === "rejected" ? found : undefined;
    });
    expect(rejected.reason).toMatch(/SHA-256|digest/i);
  });

  it("rejects a file that is no model with a reason", async () => {
    const version = await cluster.publish(
      "garbage",
      new TextEncoder().encode("this is not a model at all, only text".repeat(9)),
    );
    expect(version).toMatchObject({ state: "rejected", reason: expect.stringMatching(/\S/) });
  });
});
