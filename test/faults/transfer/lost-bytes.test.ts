import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
}, 180_000);
afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

/** Deletes everything that the control plane has stored of published versions. */
async function loseFiles(): Promise<void> {
  const entries = await readdir(cluster.directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && path.basename(entry.parentPath) === "files");
  const stored = files.filter(({ name, parentPath }) => /^[0-9a-f]{64}$/.test(name) && !parentPath.includes("edge-a"));
  expect(stored.length).toBeGreaterThan(0);
  for (const { parentPath, name } of stored) await rm(path.join(parentPath, name));
}

const stalled = async (): Promise<Deployment["status"]["conditions"][number] | undefined> => {
  const { status } = await cluster.get<Deployment>("/deployments/same");
  return status.conditions.find(({ type }) => type === "Stalled");
};

describe("the bytes of a published version are deleted from the control plane's disk", () => {
  it("is a warning, stalls what needs them, and is repaired by a push of the same file", async () => {
    const file = identityModel("FP32");
    expect(await cluster.publish("same", file)).toMatchObject({ state: "ready" });
    await loseFiles();
    await cluster.deploy({ name: "same", model: "same", version: 1 });
    const condition = await until(
      "the deployment is stalled",
      async () => {
        const found = await stalled();
        return found?.reason === "VersionDamaged" ? found : undefined;
      },
      120_000,
    );
    expect(condition?.message).toContain(
      "same:1 cannot be sent: its file model.onnx is missing from the artifact store",
    );
    const reasons = (await cluster.events()).map(({ reason }) => reason);
    expect(reasons).toContain("ModelBytesDamaged");
    expect(reasons).toContain("DeploymentStalled");

    expect(await cluster.publish("same", file)).toMatchObject({ version: 1 });
    await cluster.whenDeploymentReady("same", 90_000);
    const { items } = await cluster.get<{ items: readonly unknown[] }>("/models/same/versions");
    expect(items).toHaveLength(1);
    expect((await stalled())?.status).toBe("False");
    expect((await cluster.events()).map(({ reason }) => reason)).toContain("ModelBytesRestored");
  }, 240_000);
});
