import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { LIMITS } from "../../../control-plane/adapters/http/server/limits.ts";
import { HttpServer } from "../../../control-plane/adapters/http/server/server.ts";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import { keyPair } from "../../../control-plane/adapters/system/ed25519.ts";
import { composeControlPlane, type ControlPlane } from "../../../control-plane/compose.ts";
import { readConfig } from "../../../control-plane/config.ts";
import { openTls } from "../../../control-plane/compose/open-tls.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { systemRandom } from "../../../shared/base/random.ts";
import { releaseText } from "../../../shared/protocol/model-files/release.ts";
import { joinProofText } from "../../../shared/protocol/proofs.ts";
import { eventually } from "../../support/eventually.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { connect, openStores } from "../postgres/fixture.ts";
import { callAt, cookieOf, type Answer, type Call } from "./support/http-call.ts";

let database: TestDatabase;
let postgres: PostgresStores;
let controlPlane: ControlPlane;
let sql: pg.Client;
let directory: string;
let port: number;
let key: string;

beforeAll(async () => {
  database = await startTestDatabase();
  directory = await mkdtemp(join(tmpdir(), "skerry-audited-"));
  const config = readConfig({ DATABASE_URL: database.url, SKERRY_DATA_DIR: directory });
  const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const http = new HttpServer({ clock: systemClock, limits: LIMITS });
  postgres = await openStores(database.url);
  controlPlane = await composeControlPlane(config, { postgres, http, tls: await openTls(config, common), ...common });
  await controlPlane.start();
  controlPlane.open();
  port = await http.listen({ host: "127.0.0.1", port: 0 });
  key = (await controlPlane.keys.mintFirstKey()) ?? "";
  sql = await connect(database.url);
});
afterAll(async () => {
  await sql.end();
  await controlPlane.stop();
  await postgres.close();
  await database.stop();
  await rm(directory, { recursive: true, force: true });
});

/** What a change of an operator may change, without what the control loop writes beside it. */
const STATE = `SELECT json_build_array(
  (SELECT json_agg(m ORDER BY name) FROM models m),
  (SELECT json_agg(json_build_array(model_name, version, labels) ORDER BY model_name, version) FROM model_versions),
  (SELECT json_agg(a ORDER BY model_name, alias) FROM aliases a),
  (SELECT json_agg(json_build_array(name, spec, generation) ORDER BY name) FROM deployments),
  (SELECT json_agg(json_build_array(name, labels, site, zone, cordoned, draining, drain_deadline, drain_removes, revoked, waiting_until, public_key, generation) ORDER BY name) FROM nodes),
  (SELECT json_agg(t ORDER BY id) FROM join_tokens t),
  (SELECT json_agg(json_build_array(id, expires_at, revoked_at, successor_id) ORDER BY id) FROM api_keys),
  (SELECT json_agg(id ORDER BY id) FROM login_sessions), (SELECT json_agg(id ORDER BY id) FROM login_codes))::text AS state`;
const state = async (): Promise<string> => (await sql.query<{ state: string }>(STATE)).rows[0]?.state ?? "";
const audited = async (): Promise<number> => Number((await postgres.audit.head()).id);

const ask = (method: string, path: string, call: Call = {}): Promise<Answer> =>
  callAt(port, [method, path], { key, ...call });

/** Does a change twice: while no audit entry can be written, and then. */
async function change(method: string, path: string, call: Call = {}): Promise<Answer> {
  const [before, entries] = [await state(), await audited()];
  await sql.query("ALTER TABLE audit_log ADD CONSTRAINT no_more CHECK (false) NOT VALID");
  const refused = await ask(method, path, call);
  await sql.query("ALTER TABLE audit_log DROP CONSTRAINT no_more");
  expect([method, path, refused.status]).toEqual([method, path, 500]);
  expect([await state(), await audited()]).toEqual([before, entries]);
  const done = await ask(method, path, call);
  expect([method, path, Math.floor(done.status / 100)]).toEqual([method, path, 2]);
  expect([method, path, await audited()]).toEqual([method, path, entries + 1]);
  changed.add(`${method} ${path}`);
  return done;
}

const changed = new Set<string>();

/** The body of a join with a token, for a key of its own. */
function joinOf(token: string, name: string): Readonly<Record<string, string>> {
  const [, , , tokenId = "", secret = ""] = token.split(".");
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const rawKey = String(publicKey.export({ format: "jwk" })["x"]);
  const secretHashHex = createHash("sha256").update(secret).digest("hex");
  const text = joinProofText({ tokenId, secretHashHex, publicKey: rawKey, name });
  const proof = sign(null, Buffer.from(text), privateKey).toString("base64url");
  return { tokenId, secret, name, kind: "edge", publicKey: rawKey, proof };
}

/** Routes that change nothing of what an operator declares, or that a story of their own tests. */
const OTHERS = [
  "POST /api/v1/plan",
  "PUT /api/v1/uploads/{upload}", // bytes of a version whose declaration is audited
  "POST /api/v1/uploads/{upload}/complete",
  "POST /api/v1/login/device", // what follows it opens a session: test/processes/oidc
  "POST /api/v1/login/device/session",
  "POST /api/v1/join/pod", // test/integration/postgres/pods.test.ts
  "PUT /api/v1/cloud-pools/{pool}", // test/integration/postgres/fleet/pool-declarations.test.ts
  "DELETE /api/v1/cloud-pools/{pool}",
  "POST /api/v1/deployments/{deployment}/retry", // and the next: test/integration/postgres/fleet
];
const isOther = (route: string): boolean =>
  OTHERS.includes(route) || / \/v[12]\//.test(route) || route.includes("/rollout/");

describe("a change through the API", () => {
  it("has exactly one audit entry, or neither is there", async () => {
    const file = await readFile(new URL("../../../examples/digits/models/digits-small.onnx", import.meta.url));
    await change("POST", "/api/v1/models", { body: { name: "digits" } });
    await change("PATCH", "/api/v1/models/digits", { body: { labels: { team: "vision" } } });
    const declared = { bytes: file.length, sha256: createHash("sha256").update(file).digest("hex") };
    const { body } = await change("POST", "/api/v1/models/digits/versions", { body: declared });
    const headers = { "Content-Type": "application/octet-stream" };
    await ask("PUT", `${body.uploadUrl}?offset=0`, { bytes: file, headers });
    await ask("POST", `${body.uploadUrl}/complete`, { body: {} });
    await eventually(
      "the version is ready",
      async () => (await ask("GET", "/api/v1/models/digits/versions/1")).body.state === "ready",
      60_000,
    );
    const { artifact } = (await ask("GET", "/api/v1/models/digits/versions/1")).body;
    const signer = keyPair();
    const says = { counter: 1, floor: 0 };
    const signature = signer.sign(releaseText({ model: "digits", version: "1", artifact, ...says }));
    await change("PUT", "/api/v1/models/digits/versions/1/release", {
      body: { ...says, publicKey: signer.publicKey, signature },
    });
    await change("PUT", "/api/v1/models/digits/aliases/champion", { body: { version: 1 } });
    const spec = { name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } };
    await change("PUT", "/api/v1/deployments/digits", { body: spec });

    const made = await change("POST", "/api/v1/join-tokens", { body: { site: "harbour" } });
    await change("POST", "/api/v1/join", { body: joinOf(String(made.body.token), "edge-a") });
    const asking = { body: { site: "harbour", uses: 2, needsApproval: true } };
    const { body: waiting } = await change("POST", "/api/v1/join-tokens", asking);
    for (const name of ["edge-w", "edge-x"])
      await change("POST", "/api/v1/join", { body: joinOf(String(waiting.token), name) });
    await change("POST", "/api/v1/nodes/edge-w/approve", { body: {} });
    await change("POST", "/api/v1/nodes/edge-x/reject");
    const spare = await change("POST", "/api/v1/join-tokens", { body: { site: "island" } });
    await change("DELETE", `/api/v1/join-tokens/${spare.body.id}`);
    await eventually("the node is seen", async () => (await ask("GET", "/api/v1/nodes/edge-a")).status === 200);
    await change("PATCH", "/api/v1/nodes/edge-a", { body: { labels: { gpu: "no" } } });
    const replace = await change("POST", "/api/v1/nodes/edge-a/replace", { body: { why: "its disk is broken" } });
    await change("POST", "/api/v1/join", { body: joinOf(String(replace.body.token), "edge-a") });
    for (const verb of ["cordon", "uncordon", "drain"]) await change("POST", `/api/v1/nodes/edge-a/${verb}`);
    await change("POST", "/api/v1/nodes/edge-a/drain", { body: { deadlineSeconds: 600 } });
    await change("DELETE", "/api/v1/nodes/edge-a");

    const viewer = await change("POST", "/api/v1/api-keys", { body: { name: "eyes", role: "viewer" } });
    await change("POST", `/api/v1/api-keys/${viewer.body.id}/rotate`, { body: {} });
    await change("DELETE", `/api/v1/api-keys/${viewer.body.id}`);

    await change("POST", "/api/v1/session", { key: undefined, body: { key } });
    const { code } = (await change("POST", "/api/v1/session/codes")).body;
    const opened = await change("POST", "/api/v1/session", { key: undefined, body: { code } });
    const ofSession = { Cookie: cookieOf(opened), "X-CSRF-Token": opened.body.csrfToken };
    await change("DELETE", "/api/v1/session", { key: undefined, headers: ofSession });
    const [left] = (await ask("GET", "/api/v1/sessions")).body.items;
    await change("DELETE", `/api/v1/sessions/${left.id}`);

    await change("DELETE", "/api/v1/deployments/digits");
    await change("DELETE", "/api/v1/models/digits/aliases/champion");
    await change("DELETE", "/api/v1/models/digits/versions/1");
    await change("DELETE", "/api/v1/models/digits");
    expect(changed.size).toBe(28);
  }, 120_000);

  it("says why in its audit entry, when its caller does", async () => {
    const ofLast = async (): Promise<unknown> => (await postgres.audit.list({ before: null, limit: 1 }))[0]?.detail;
    const why = "trained on the wrong year – über";
    await ask("POST", "/api/v1/models", { body: { name: "wrong" } });
    expect(await ofLast()).not.toHaveProperty("reason");
    expect((await ask("DELETE", `/api/v1/models/wrong?reason=${encodeURIComponent(why)}`)).status).toBe(204);
    expect(await ofLast()).toMatchObject({ reason: why });
    for (const [method, path] of [
      ["DELETE", `/api/v1/models/wrong?reason=${"x".repeat(501)}`],
      ["DELETE", "/api/v1/models/wrong?reason="],
      ["DELETE", "/api/v1/models/wrong?reason=a&reason=b"],
      ["GET", "/api/v1/models?reason=none"],
      ["POST", "/api/v1/plan?reason=none"],
    ] as const)
      expect([path.slice(0, 40), (await ask(method, path)).body.code]).toEqual([path.slice(0, 40), "INVALID_REQUEST"]);
  });

  it("is one of those, for every route that changes something", async () => {
    const { body } = await ask("GET", "/openapi.json");
    const routes = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const isChanged = (route: string): boolean => {
      const pattern = new RegExp(`^${route.replaceAll(/\{\w+\}/g, "[^/]+")}$`);
      return [...changed].some((each) => pattern.test(each));
    };
    const unheld = routes.filter((route) => !/^(GET|HEAD) /.test(route) && !isOther(route) && !isChanged(route));
    expect(unheld).toEqual([]);
  });
});
