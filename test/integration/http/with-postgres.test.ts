import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import { openStores } from "../postgres/fixture.ts";
import { HttpServer } from "../../../control-plane/adapters/http/server/server.ts";
import { LIMITS } from "../../../control-plane/adapters/http/server/limits.ts";
import { composeControlPlane, type ControlPlane } from "../../../control-plane/compose.ts";
import { readConfig } from "../../../control-plane/config.ts";
import { openTls } from "../../../control-plane/compose/open-tls.ts";
import { deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import { modelVersion } from "../../../shared/api/v1/models.ts";
import { node } from "../../../shared/api/v1/nodes/nodes.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { joinProofText } from "../../../shared/protocol/proofs.ts";
import { CHANNELS, channelPath, SUBPROTOCOL } from "../../../shared/protocol/limits.ts";
import { PEER_PATH, PEER_SUBPROTOCOL } from "../../../shared/protocol/peers.ts";
import { systemRandom } from "../../../shared/base/random.ts";
import { runCli } from "../../unit/cli/support/run-cli.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { EventStream } from "./support/event-stream.ts";
import { callAt, openCall, type Answer, type Call } from "./support/http-call.ts";

let database: TestDatabase;
let postgres: PostgresStores;
let controlPlane: ControlPlane;
let directory: string;
let port: number;
let key: string;

beforeAll(async () => {
  database = await startTestDatabase();
  directory = await mkdtemp(join(tmpdir(), "skerry-http-"));
  const config = readConfig({ DATABASE_URL: database.url, SKERRY_DATA_DIR: directory });
  const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const http = new HttpServer({ clock: systemClock, limits: LIMITS });
  postgres = await openStores(database.url);
  controlPlane = await composeControlPlane(config, { postgres, http, tls: await openTls(config, common), ...common });
  await controlPlane.start();
  controlPlane.open();
  port = await http.listen({ host: "127.0.0.1", port: 0 });
  key = (await controlPlane.keys.mintFirstKey()) ?? "";
});
afterAll(async () => {
  await controlPlane.stop();
  await postgres.close();
  await database.stop();
  await rm(directory, { recursive: true, force: true });
});

const ask = (method: string, path: string, call: Call = {}): Promise<Answer> =>
  callAt(port, [method, path], { key, ...call });

/** Reads the stream until something with this reason happened. */
const untilHappened = (stream: EventStream, reason: string): Promise<void> => untilSaid(stream, `"reason":"${reason}"`);

/** The same with this text in it. */
async function untilSaid(stream: EventStream, said: string): Promise<void> {
  for (let text = await stream.next(); text !== undefined; text = await stream.next()) if (text.includes(said)) return;
  throw new Error(`the stream ended before ${said}`);
}

const openEvents = (headers: Record<string, string> = {}): Promise<EventStream> =>
  EventStream.open(
    openCall(port, ["GET", "/api/v1/events"], { key, headers: { Accept: "text/event-stream", ...headers } }),
  );

// One story: each test goes on where the one before it stopped.
describe("the HTTP API over PostgreSQL", () => {
  it("mints the first admin key once", async () => {
    expect((await ask("GET", "/api/v1/whoami")).body).toMatchObject({ name: "first-admin", role: "admin" });
    expect(await controlPlane.keys.mintFirstKey()).toBeNull();
  });

  it("turns an uploaded file into a ready version, and announces it in the stream", async () => {
    const stream = await openEvents();
    const file = await readFile(new URL("../../../examples/digits/models/digits-small.onnx", import.meta.url));
    const declared = {
      bytes: file.length,
      sha256: createHash("sha256").update(file).digest("hex"),
      metrics: { accuracy: 0.9 },
    };
    expect((await ask("POST", "/api/v1/models", { body: { name: "digits", labels: { team: "vision" } } })).status).toBe(
      201,
    );
    const { body } = await ask("POST", "/api/v1/models/digits/versions", { body: declared });
    const headers = { "Content-Type": "application/octet-stream" };
    const half = Math.floor(file.length / 2);
    await ask("PUT", `${body.uploadUrl}?offset=0`, { bytes: file.subarray(0, half), headers });
    expect((await ask("HEAD", body.uploadUrl)).headers).toMatchObject({
      "upload-offset": String(half),
      "upload-length": String(file.length),
    });
    expect(
      (await ask("PUT", `${body.uploadUrl}?offset=${half}`, { bytes: file.subarray(half), headers })).body.offset,
    ).toBe(file.length);
    expect((await ask("POST", `${body.uploadUrl}/complete`, { body: {} })).status).toBe(202);
    await untilHappened(stream, "ModelVersionReady");
    stream.close();
    const version = modelVersion.parse((await ask("GET", "/api/v1/models/digits/versions/1")).body);
    expect(version).toMatchObject({ state: "ready", metrics: { accuracy: 0.9 }, reason: null });
    const artifact = await ask("GET", "/api/v1/models/digits/versions/1/artifact");
    expect(Buffer.compare(artifact.bytes, file)).toBe(0);
  });

  it("moves an alias by compare-and-set", async () => {
    const move = (headers: Record<string, string>) =>
      ask("PUT", "/api/v1/models/digits/aliases/champion", { body: { version: 1 }, headers });
    expect((await move({ "If-None-Match": "*" })).status).toBe(200);
    expect((await move({ "If-None-Match": "*" })).body.code).toBe("STALE_ETAG");
    expect((await move({ "If-Match": '"1"' })).status).toBe(200);
    expect((await ask("GET", "/api/v1/models?labelSelector=team%3Dvision")).body.items).toMatchObject([
      { aliases: { champion: 1 }, latestVersion: 1 },
    ]);
  });

  it("joins a node with a token", async () => {
    const made = await ask("POST", "/api/v1/join-tokens", { body: { site: "harbour", labels: { gpu: "true" } } });
    const [, , , tokenId = "", secret = ""] = String(made.body.token).split(".");
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const rawKey = String(publicKey.export({ format: "jwk" })["x"]);
    const join = (name: string): Promise<Answer> => {
      const secretHashHex = createHash("sha256").update(secret).digest("hex");
      const text = joinProofText({ tokenId, secretHashHex, publicKey: rawKey, name });
      const proof = sign(null, Buffer.from(text), privateKey).toString("base64url");
      return callAt(port, ["POST", "/api/v1/join"], {
        body: { tokenId, secret, name, kind: "edge", publicKey: rawKey, proof },
      });
    };
    expect(await join("edge-a")).toMatchObject({
      status: 201,
      body: { site: "harbour", zone: "harbour", kind: "edge" },
    });
    expect((await join("edge-b")).body.code).toBe("JOIN_REFUSED");
  });

  it("shows the node that joined, and changes it on condition", async () => {
    // The notifier of the join and this question race; whoever is late finds it a moment later.
    const stream = await openEvents({ "Last-Event-ID": "0.0" });
    await untilHappened(stream, "NodeJoined");
    stream.close();
    const patched = await ask("PATCH", "/api/v1/nodes/edge-a", { body: { zone: "pier-1" } });
    expect(node.parse(patched.body)).toMatchObject({
      name: "edge-a",
      state: "pending",
      zone: "pier-1",
      labels: { gpu: "true" },
    });
    expect((await ask("POST", "/api/v1/nodes/edge-a/cordon", { headers: { "If-Match": '"1"' } })).status).toBe(412);
    const { headers } = await ask("GET", "/api/v1/nodes/edge-a");
    expect(headers.etag).toBe(patched.headers.etag);
    expect(
      (await ask("POST", "/api/v1/nodes/edge-a/cordon", { headers: { "If-Match": String(headers.etag) } })).body
        .cordoned,
    ).toBe(true);
  });

  it("lets an operator say where a node is, with an event and an audit row", async () => {
    const env = { SKERRY_SERVER: `http://127.0.0.1:${port}`, SKERRY_API_KEY: key };
    const set = await runCli(["nodes", "set", "edge-a", "--site", "island", "--zone", "pier-2", "-o", "json"], { env });
    expect(set.exitCode).toBe(0);
    expect(node.parse(JSON.parse(set.stdout))).toMatchObject({ site: "island", zone: "pier-2", cordoned: true });
    const stream = await openEvents({ "Last-Event-ID": "0.0" });
    await untilSaid(stream, "site, zone of edge-a changed by first-admin: site island, zone pier-2");
    stream.close();
    const audit = await ask("GET", "/api/v1/audit?limit=1");
    expect(audit.body.items[0]).toMatchObject({
      action: "node.update",
      target: "node/edge-a",
      detail: { before: { site: "harbour", zone: "pier-1" }, after: { site: "island", zone: "pier-2" } },
    });
    const wrong = await ask("PATCH", "/api/v1/nodes/edge-a", { body: { site: "Pier 9" } });
    expect([wrong.status, wrong.body.causes[0].field]).toEqual([400, "site"]);
  });

  it("keeps a deployment, shows its own write at once and refuses a late one", async () => {
    const spec = { name: "digits", model: "digits", version: "champion", placement: { edge: { min: 1 } } };
    const plan = await ask("POST", "/api/v1/plan", { body: { deployments: { apply: [spec] } } });
    expect(plan.body).toMatchObject({ changes: true, settled: true, steps: [] });
    const [planned] = plan.body.deployments;
    expect(planned).toMatchObject({ deployment: "digits", spec: "create", targetVersion: 1, before: null });
    expect(planned.unplaced[0]).toContain("edge-a");
    expect(planned.refusals.map((refusal: { node: string }) => refusal.node)).toEqual(["edge-a"]);
    expect((await ask("GET", "/api/v1/deployments/digits")).status).toBe(404);
    const capabilities = { memMiB: 4_096, diskMiB: 10_000, maxOpset: 25, maxIrVersion: 13 };
    const added = {
      nodes: { add: [{ name: "edge-new", kind: "edge", capabilities }] },
      deployments: { apply: [spec] },
    };
    const onNew = await ask("POST", "/api/v1/plan", { body: added });
    expect(onNew.body.deployments[0]).toMatchObject({ nodes: ["edge-new"], after: { edge: { wanted: 1, ready: 1 } } });
    expect((await ask("GET", "/api/v1/nodes/edge-new")).status).toBe(404);
    const refused = await ask("POST", "/api/v1/plan", { body: { nodes: { cordon: ["edge-a", "edge-x"] } } });
    expect([refused.status, refused.body.causes]).toEqual([
      400,
      [{ field: "nodes.cordon.1", message: "there is no node edge-x" }],
    ]);
    const unknown = await ask("POST", "/api/v1/plan", { body: { nodes: { kordon: [] } } });
    expect([unknown.status, unknown.body.causes[0].field]).toEqual([400, "nodes.kordon"]);
    const created = await ask("PUT", "/api/v1/deployments/digits", { body: spec });
    expect([created.status, deployment.parse(created.body).status.observedGeneration]).toEqual([201, 0]);
    const again = await ask("PUT", "/api/v1/deployments/digits", { body: spec });
    expect([again.status, again.headers.etag, again.body.generation]).toEqual([200, created.headers.etag, 1]);
    const changed = await ask("PUT", "/api/v1/deployments/digits", { body: { ...spec, limits: { timeoutMs: 500 } } });
    expect([changed.body.generation, changed.body.spec.limits.timeoutMs]).toEqual([2, 500]);
    expect(
      (await ask("DELETE", "/api/v1/deployments/digits", { headers: { "If-Match": String(created.headers.etag) } }))
        .status,
    ).toBe(412);
    const explained = await ask("GET", "/api/v1/deployments/digits/explain?node=edge-a");
    expect(explained.body.whyNot.rejections.length).toBeGreaterThan(0);
    // It has said nothing of itself yet, and is cordoned.
    expect(explained.body.whyNot.wouldChange).toEqual(expect.arrayContaining(["start it", "uncordon it"]));
    expect((await ask("DELETE", "/api/v1/models/digits")).body.code).toBe("CONFLICT");
  });

  it("sends an explanation, which is long in a large fleet, in gzip to a reader that takes it", async () => {
    const path = "/api/v1/deployments/digits/explain?node=edge-a";
    const plain = await ask("GET", path, { headers: { "Accept-Encoding": "br" } });
    expect([plain.headers["content-encoding"], plain.headers.vary]).toEqual([undefined, "Accept-Encoding"]);
    const packed = await ask("GET", path, { headers: { "Accept-Encoding": "br, gzip" } });
    expect(packed.headers["content-encoding"]).toBe("gzip");
    expect(packed.bytes.length).toBeLessThan(plain.bytes.length);
    expect(JSON.parse(gunzipSync(packed.bytes).toString()).whyNot).toEqual(plain.body.whyNot);
  });

  it("answers a repeated POST from the table", async () => {
    const call = { body: { name: "other" }, headers: { "Idempotency-Key": "k-1" } };
    const [first, second] = [await ask("POST", "/api/v1/models", call), await ask("POST", "/api/v1/models", call)];
    expect([first.status, second.status, second.headers["idempotent-replayed"]]).toEqual([201, 201, "true"]);
    expect(second.body).toEqual(first.body);
  });

  it("resumes the stream after the last event that was seen", async () => {
    const { body } = await ask("GET", "/api/v1/events?from=oldest&limit=3");
    const resumed = await openEvents({ "Last-Event-ID": body.items[0].id });
    const next = [await resumed.next(), await resumed.next()].map((text) => /^id: (.+)$/m.exec(text ?? "")?.[1]);
    resumed.close();
    expect(next).toEqual([body.items[1].id, body.items[2].id]);
  });

  it("has an audit row for every change, by whom and for which request", async () => {
    const { body } = await ask("POST", "/api/v1/nodes/edge-a/uncordon", { headers: { "X-Request-Id": "r-uncordon" } });
    expect(body.cordoned).toBe(false);
    const { items } = (await ask("GET", "/api/v1/audit?limit=1")).body;
    expect(items).toMatchObject([{ actor: "first-admin", target: "node/edge-a", requestId: "r-uncordon" }]);
  });

  it("has an audit log whose chain the command line follows", async () => {
    const env = { SKERRY_SERVER: `http://127.0.0.1:${port}`, SKERRY_API_KEY: key };
    const whole = await runCli(["audit", "verify"], { env });
    expect([whole.exitCode, whole.stderr]).toEqual([0, "The chain is whole.\n"]);
    const [, id = "", hash = ""] = /The head is (\d+):([0-9a-f]{64})/.exec(whole.stdout) ?? [];
    expect((await runCli(["audit", "verify", "--noted", `${id}:${hash}`], { env })).exitCode).toBe(0);
    const other = await runCli(["audit", "verify", "--noted", `${id}:${"0".repeat(64)}`], { env });
    expect([other.exitCode, other.stderr]).toEqual([1, expect.stringContaining(`entry ${id} has another hash`)]);
    expect((await runCli(["audit", "verify", "--noted", "x"], { env })).exitCode).toBe(64);
  });

  it("opens no channel of a node or of another control plane to an API key, an admin's neither", async () => {
    const upgraded = (path: string, protocol: string): Promise<number | string> =>
      new Promise((resolve, reject) => {
        const headers = {
          Connection: "Upgrade",
          Upgrade: "websocket",
          "Sec-WebSocket-Key": Buffer.alloc(16).toString("base64"),
          "Sec-WebSocket-Version": "13",
          "Sec-WebSocket-Protocol": protocol,
        };
        const request = openCall(port, ["GET", path], { key, headers });
        request.on("response", (response) => resolve(response.resume().statusCode ?? 0));
        request.on("upgrade", (_response, socket) => {
          socket.destroy();
          resolve("open");
        });
        request.on("error", reject);
        request.end();
      });
    const paths = [
      ...CHANNELS.map((channel) => [channelPath(channel), SUBPROTOCOL] as const),
      [PEER_PATH, PEER_SUBPROTOCOL] as const,
    ];
    for (const [path, protocol] of paths) expect([path, await upgraded(path, protocol)]).toEqual([path, 401]);
    expect(await upgraded("/api/v1/nodes", SUBPROTOCOL)).toBe(404);
  });

  it("revokes a key at once", async () => {
    const made = await ask("POST", "/api/v1/api-keys", {
      body: { name: "app", role: "application", models: ["digits"] },
    });
    expect((await ask("GET", "/v2/models/digits", { key: made.body.key })).body.inputs.length).toBe(1);
    await ask("DELETE", `/api/v1/api-keys/${made.body.id}`);
    expect((await ask("GET", "/v2/models/digits", { key: made.body.key })).status).toBe(401);
  });

  it("is ready, and says of a model without a ready node that it is not", async () => {
    expect((await ask("GET", "/readyz")).body).toEqual({ ready: true, reasons: [] });
    expect((await ask("GET", "/v2/models/digits/ready")).status).toBe(503);
    const refused = await ask("POST", "/v2/models/digits/infer", { body: { inputs: [] } });
    expect([refused.status, refused.headers["skerry-error"]]).toEqual([503, "MODEL_NOT_READY"]);
  });

  it("counts nodes and placements by state", async () => {
    const { bytes } = await ask("GET", "/metrics");
    expect(bytes.toString()).toContain('skerry_nodes{state="pending"} 1');
    expect(bytes.toString()).toContain("skerry_deployments 1");
  });
});
