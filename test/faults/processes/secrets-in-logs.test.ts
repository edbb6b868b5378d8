import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { digitRequests } from "../../support/models/digit-request.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { secretIn } from "../../support/secret-of.ts";

const LOUD = { SKERRY_LOG_LEVEL: "debug" };

let database: TestDatabase;
let cluster: SkerryCluster;
let isGone = false;
beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url, LOUD);
}, 120_000);
afterAll(async () => {
  await cluster?.stop();
  if (!isGone) await database?.stop();
});

interface Created {
  readonly id: string;
  readonly key: string;
}

/** Everything that the programs wrote, at the most talkative level. */
async function logs(): Promise<string> {
  const names = (await readdir(cluster.directory)).filter((name) => name.endsWith(".log"));
  return (await Promise.all(names.map((name) => readFile(path.join(cluster.directory, name), "utf8")))).join("\n");
}

describe("the logs of control plane and node", () => {
  it("have no secret that was made, used, guessed or revoked, also while PostgreSQL goes away", async () => {
    const secrets = new Map<string, string>([
      ["password of the database", new URL(database.url).password],
      ["first admin key", cluster.adminKey],
    ]);
    const node = await cluster.addNode("edge-a", { env: { ...LOUD } });
    secrets.set("key of the node", (await readFile(path.join(node.stateDir, "node.key"), "utf8")).trim());

    const { token } = await cluster.post<{ token: string }>("/join-tokens", { site: "harbour" });
    const joinSecret = token.split(".").at(-1) ?? "";
    secrets.set("join token", joinSecret);
    const publicKey = "A".repeat(43);
    const proof = "A".repeat(86);
    const join = { tokenId: token.split(".")[3], secret: joinSecret, name: "edge-b", kind: "edge", publicKey, proof };
    await cluster.request("POST", "/join", join, { accept: [401, 400] });

    const app = await cluster.post<Created>("/api-keys", { name: "app", role: "application", models: ["digits"] });
    const next = await cluster.post<Created>(`/api-keys/${app.id}/rotate`, { overlapHours: 1 });
    secrets.set("key of an application", app.key).set("rotated key", next.key);
    await cluster.publish("digits", await readFile("examples/digits/models/digits-small.onnx"));
    await cluster.deploy({ name: "digits", model: "digits", version: 1 });
    await cluster.whenDeploymentReady("digits");
    const body = digitRequests()[0]?.body ?? {};
    const as = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
    expect((await cluster.infer("digits", body, as(next.key))).status).toBe(200);
    await cluster.request("DELETE", `/api-keys/${app.id}`);
    await until("the key is void", async () => (await cluster.infer("digits", body, as(app.key))).status === 401);

    const guess = `sk_${"0".repeat(12)}_${"guess".repeat(9).slice(0, 43)}`;
    secrets.set("guessed key", guess);
    await cluster.infer("digits", body, as(guess));
    // Where a secret does not belong: in an address, in a body, as the id of a request.
    await cluster.request("GET", `/nodes?apiKey=${next.key}`, undefined, { accept: [400] });
    await cluster.request("POST", "/models", { name: next.key, secret: next.key }, { accept: [400] });
    await fetch(`${cluster.url}/v2/models/${next.key}/infer`, { method: "POST", ...as(next.key), body: "{}" });
    await fetch(`${cluster.url}/api/v1/node/control?key=${next.key}`, {
      headers: { authorization: `Bearer ${next.key}` },
    });

    await database.stop();
    isGone = true;
    await until("PostgreSQL is missed", async () => (await logs()).includes("PostgreSQL does not answer"), 30_000);
    await cluster.request("GET", "/api-keys", undefined, { accept: [500, 503] });

    const written = await logs();
    expect(written.length).toBeGreaterThan(10_000);
    for (const [what, secret] of secrets) {
      expect([what, secret.length > 8]).toEqual([what, true]);
      expect([what, written.includes(secretIn(secret) ?? secret)]).toEqual([what, false]);
    }
  }, 180_000);
});
