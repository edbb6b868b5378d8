import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { LIMITS } from "../../../control-plane/adapters/http/server/limits.ts";
import { HttpServer } from "../../../control-plane/adapters/http/server/server.ts";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import { openStores } from "../../integration/postgres/fixture.ts";
import { composeControlPlane, type ControlPlane } from "../../../control-plane/compose.ts";
import { readConfig } from "../../../control-plane/config.ts";
import { openTls } from "../../../control-plane/compose/open-tls.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { systemRandom } from "../../../shared/base/random.ts";
import { Browser } from "../../support/oidc/browser.ts";
import { TestProvider } from "../../support/oidc/provider.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { freePort } from "../../support/processes/skerry-process.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { callAt, type Answer, type Call } from "../../integration/http/support/http-call.ts";
import { runCli } from "../../unit/cli/support/run-cli.ts";

let database: TestDatabase;
let postgres: PostgresStores;
let controlPlane: ControlPlane;
let provider: TestProvider;
let directory: string;
let port: number;
let server: string;
let adminKey: string;
/** What was answered before the provider was there for the first time. */
const refusedWhileAway: string[] = [];

beforeAll(async () => {
  database = await startTestDatabase();
  directory = await mkdtemp(join(tmpdir(), "skerry-people-"));
  const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const http = new HttpServer({ clock: systemClock, limits: LIMITS });
  port = await http.listen({ host: "127.0.0.1", port: 0 });
  server = `http://127.0.0.1:${port}`;
  provider = new TestProvider(await freePort(), `${server}/api/v1/login/oidc/callback`);
  await writeFile(join(directory, "client"), "a secret of the test\n");
  const config = readConfig({
    DATABASE_URL: database.url,
    SKERRY_DATA_DIR: directory,
    SKERRY_PUBLIC_URL: server,
    SKERRY_OIDC_ISSUER: provider.issuer,
    SKERRY_OIDC_CLIENT_ID: "skerry",
    SKERRY_OIDC_CLIENT_SECRET_FILE: join(directory, "client"),
    SKERRY_OIDC_ROLES: "cn=ops,o=example=operator; readers=viewer; line-4=application:digits+chat",
  });
  postgres = await openStores(database.url);
  // The provider is not there yet: a control plane starts without it.
  controlPlane = await composeControlPlane(config, { postgres, http, tls: await openTls(config, common), ...common });
  await controlPlane.start();
  controlPlane.open();
  adminKey = (await controlPlane.keys.mintFirstKey()) ?? "";
  for (const [method, path] of [
    ["GET", "/api/v1/login/oidc"],
    ["POST", "/api/v1/login/device"],
  ] as const)
    refusedWhileAway.push((await ask(method, path)).body.code);
  await provider.start();
});
afterAll(async () => {
  await provider.stop();
  await controlPlane.stop();
  await postgres.close();
  await database.stop();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(() => provider.next({ person: "ana", groups: ["readers"] }));

const ask = (method: string, path: string, call: Call = {}) => callAt(port, [method, path], call);
const isCallback = (location: string): boolean => location.startsWith(`${server}/api/v1/login/oidc/callback`);

/** Logs in as a browser does, to the page behind it. */
const login = (browser = new Browser(), returnTo = "/console"): ReturnType<Browser["open"]> =>
  browser.open(`${server}/api/v1/login/oidc?returnTo=${encodeURIComponent(returnTo)}`, (to) => to === returnTo);

async function sessionOf(page: Awaited<ReturnType<typeof login>>): Promise<{ body: Answer["body"]; Cookie: string }> {
  const [line = ""] = page.headers.getSetCookie();
  const Cookie = line.split(";")[0] ?? "";
  return { body: (await ask("GET", "/api/v1/session", { headers: { Cookie } })).body, Cookie };
}

/** What a person at a browser does with the link of a login by device. */
async function approve(link: string): Promise<string> {
  const browser = new Browser();
  const asked = await browser.submit(await browser.open(link));
  return (await browser.submit(asked, { confirm: "yes" })).text;
}

describe("people", () => {
  it("log in at the identity provider, and have a session with the rights of their group", async () => {
    expect((await ask("GET", "/api/v1/login")).body).toEqual({ oidc: { issuer: provider.issuer } });
    const page = await login();
    expect([page.status, page.headers.get("location")]).toEqual([303, "/console"]);
    const { body, Cookie } = await sessionOf(page);
    expect(body).toMatchObject({
      name: "oidc:ana",
      role: "viewer",
      keyId: expect.stringMatching(/^oidc_[0-9a-f]{24}$/),
    });
    expect((await ask("GET", "/api/v1/nodes", { headers: { Cookie } })).status).toBe(200);
    expect((await ask("GET", "/api/v1/audit", { headers: { Cookie } })).status).toBe(403);
    expect((await postgres.audit.list({ before: null, limit: 1 }))[0]).toMatchObject({
      actor: "oidc:ana",
      keyId: body.keyId,
      action: "session.open",
      detail: { by: "oidc" },
    });
    const logout = await ask("DELETE", "/api/v1/session", { headers: { Cookie, "X-CSRF-Token": body.csrfToken } });
    expect(logout.status).toBe(204);
    expect((await ask("GET", "/api/v1/session", { headers: { Cookie } })).status).toBe(401);
  });

  it.each([
    [["readers", "cn=ops,o=example"], "operator", []],
    [["others", "line-4"], "application", ["digits", "chat"]],
  ])("in the groups %j are %s", async (groups, role, models) => {
    await provider.next({ person: "bob", groups });
    expect((await sessionOf(await login())).body).toMatchObject({ role, models });
  });

  it("in no group that has a role are refused, and nothing begins", async () => {
    await provider.next({ person: "eve", groups: ["others"] });
    const page = await login();
    expect([page.status, page.headers.getSetCookie()]).toEqual([403, []]);
    expect(JSON.parse(page.text)).toMatchObject({ code: "FORBIDDEN", detail: expect.stringContaining("oidc:eve") });
  });

  it.each([
    ["expired", { claims: { exp: 1_700_000_000 } }],
    ["for another client", { claims: { aud: "another" } }],
    ["of another provider", { claims: { iss: "http://127.0.0.1:1" } }],
    ["of another login", { claims: { nonce: "another" } }],
    ["without a nonce", { claims: { nonce: null } }],
    ["signed by another key", { foreignKey: true }],
  ])("with a token that is %s are refused", async (_what, control) => {
    await provider.next({ person: "ana", groups: ["readers"], ...control });
    const page = await login();
    expect([page.status, JSON.parse(page.text).code, page.headers.getSetCookie()]).toEqual([
      401,
      "UNAUTHENTICATED",
      [],
    ]);
  });

  it("come back once, and to the browser that they left", async () => {
    const browser = new Browser();
    const back = await browser.open(`${server}/api/v1/login/oidc`, isCallback);
    const callback = back.headers.get("location") ?? "";
    expect((await new Browser().open(callback)).status).toBe(401);
    expect((await browser.open(callback, (to) => to === "/")).status).toBe(303);
    expect((await browser.open(callback)).status).toBe(401);
  });

  it("are refused when they come back with another state, or say no at the provider", async () => {
    const browser = new Browser();
    await browser.open(`${server}/api/v1/login/oidc`, isCallback);
    browser.tamper(server, "skerry_login", (value) => value.replace(/^[^.]+/, "s".repeat(43)));
    expect(
      (await browser.open(`${server}/api/v1/login/oidc/callback?code=x&state=other&iss=${provider.issuer}`)).status,
    ).toBe(401);
    const denied = new Browser();
    const begun = await denied.open(`${server}/api/v1/login/oidc`, () => true);
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state");
    const page = await denied.open(
      `${server}/api/v1/login/oidc/callback?error=access_denied&state=${state}&iss=${provider.issuer}`,
    );
    expect([page.status, JSON.parse(page.text).detail]).toEqual([401, expect.stringContaining("access_denied")]);
  });

  it("read a page that says why a login failed and what to do, and no JSON", async () => {
    const html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    const begun = await new Browser(html).open(`${server}/api/v1/login/oidc`, () => true);
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state");
    const words = encodeURIComponent("<script>alert(1)</script>");
    const callback = `${server}/api/v1/login/oidc/callback?error=access_denied&error_description=${words}&state=${state}&iss=${provider.issuer}`;
    // In another browser, too late, and by a person who said no: with `code` used up it is the same.
    const page = await new Browser(html).open(callback);
    expect([page.status, page.headers.get("content-type"), page.headers.get("vary")]).toEqual([
      401,
      "text/html; charset=utf-8",
      expect.stringContaining("Accept"),
    ]);
    expect(page.text).toContain("The login did not work");
    expect(page.text).toContain('<a href="/api/v1/login/oidc">Begin again</a>');
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; .*frame-ancestors 'none'$/);
    expect(policy).not.toContain("unsafe");

    const denied = new Browser(html);
    const again = await denied.open(`${server}/api/v1/login/oidc`, () => true);
    const own = new URL(again.headers.get("location") ?? "").searchParams.get("state");
    const said = await denied.open(callback.replace(`state=${state}`, `state=${own}`));
    expect([said.status, said.text.includes("<script>")]).toEqual([401, false]);
  });

  it.each(["//evil.example", "https://evil.example", "/\\evil.example", "console"])(
    "are not sent to %s afterwards",
    async (returnTo) => {
      const path = `/api/v1/login/oidc?returnTo=${encodeURIComponent(returnTo)}`;
      expect((await ask("GET", path)).body).toMatchObject({ code: "INVALID_REQUEST" });
    },
  );

  it("log in on a command line by a code at any browser, until they log out", async () => {
    const env = { SKERRY_CONFIG: join(directory, "config.json") };
    let approved: Promise<string> | undefined;
    const { exitCode, stderr } = await runCli(["login", "--device", "--server", server, "--name", "lab"], {
      env,
      onMessage: (text) => {
        const [link] = /http:\S+user_code=[A-Z-]+/.exec(text) ?? [];
        if (link !== undefined) approved ??= approve(link);
      },
    });
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`Logged in to ${server} as oidc:ana (viewer)`)]);
    const { stdout } = await runCli(["whoami"], { env });
    expect(stdout).toMatch(
      /^oidc:ana \(viewer\), key oidc_\w+, at .*; the session ends at .* if it is not used, at .* else\n$/,
    );
    expect((await runCli(["nodes", "ls"], { env })).exitCode).toBe(0);
    expect((await runCli(["keys", "ls"], { env })).exitCode).toBe(4);
    expect((await runCli(["logout"], { env })).stderr).toContain("the session has ended");
    expect((await runCli(["nodes", "ls"], { env })).exitCode).toBe(4);
  });

  it("have to enter the code before there is a session, and have one of it", async () => {
    const { body } = await ask("POST", "/api/v1/login/device", { body: {} });
    const look = () => ask("POST", "/api/v1/login/device/session", { body: { deviceCode: body.deviceCode } });
    const before = await look();
    expect([before.status, before.body]).toEqual([202, { state: "pending", slowDown: false }]);
    await approve(body.verificationUriComplete);
    const found = await look();
    expect([found.status, found.body.session.role]).toEqual([201, "viewer"]);
    const key = found.body.token;
    expect((await ask("GET", "/api/v1/whoami", { key })).body.name).toBe("oidc:ana");
    expect((await look()).status).toBe(401);
    expect((await ask("POST", "/api/v1/session/codes", { key })).status).toBe(409);
    // A program sends no cookie, so nothing can be forged: it needs no token beside its own.
    expect((await ask("DELETE", "/api/v1/session", { key })).status).toBe(204);
    expect((await ask("GET", "/api/v1/whoami", { key })).status).toBe(401);
  });

  it("are seen by admins, who end their sessions", async () => {
    const { body, Cookie } = await sessionOf(await login());
    const env = { SKERRY_CONFIG: join(directory, "none.json"), SKERRY_SERVER: server, SKERRY_API_KEY: adminKey };
    const { stdout } = await runCli(["sessions", "ls"], { env });
    expect(stdout).toMatch(new RegExp(`^${body.id} +oidc:ana +viewer +identity provider`, "m"));
    expect((await runCli(["sessions", "rm", body.id, "--reason", "has left"], { env })).exitCode).toBe(0);
    expect((await ask("GET", "/api/v1/session", { headers: { Cookie } })).status).toBe(401);
    expect((await postgres.audit.list({ before: null, limit: 1 }))[0]).toMatchObject({
      action: "session.end",
      target: `session/${body.id}`,
      detail: { reason: "has left" },
    });
    expect((await runCli(["sessions", "rm", body.id], { env })).exitCode).toBe(5);
  });

  it("cannot log in while the provider is away; keys and sessions go on, and so does logging in after it", async () => {
    expect(refusedWhileAway).toEqual(["IDENTITY_PROVIDER_UNAVAILABLE", "IDENTITY_PROVIDER_UNAVAILABLE"]);
    const { Cookie } = await sessionOf(await login());
    const browser = new Browser();
    const back = (await browser.open(`${server}/api/v1/login/oidc`, isCallback)).headers.get("location") ?? "";
    await provider.stop();
    const page = await browser.open(back);
    expect([page.status, JSON.parse(page.text).code]).toEqual([503, "IDENTITY_PROVIDER_UNAVAILABLE"]);
    expect((await ask("GET", "/api/v1/nodes", { headers: { Cookie } })).status).toBe(200);
    expect((await ask("GET", "/api/v1/nodes", { key: adminKey })).status).toBe(200);
    await provider.start(); // with new keys
    await provider.next({ person: "ana", groups: ["readers"] });
    expect((await sessionOf(await login())).body.name).toBe("oidc:ana");
  });
});
