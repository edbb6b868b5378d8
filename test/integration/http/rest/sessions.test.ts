import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { settle } from "../../../support/test-clock.ts";
import { EventStream } from "../support/event-stream.ts";
import { cookieOf, type Answer, type Call } from "../support/http-call.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

const HOUR_MS = 3_600_000;
const INFER = { bytes: Buffer.from("{}"), headers: { "Content-Type": "application/json" } };

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

/** Logs in with the key of a role, as a page of this control plane does. */
async function login(role: keyof OpenHttpApi["keyOf"] = "operator"): Promise<{ cookie: string; token: string }> {
  const answer = await api.call("POST", "/api/v1/session", { body: { key: api.keyOf[role] } });
  return { cookie: cookieOf(answer), token: answer.body.csrfToken };
}
const ask = (method: string, path: string, headers: Readonly<Record<string, string>>, call: Call = {}) =>
  api.call(method, path, { ...call, headers: { ...call.headers, ...headers } });
const codeOf = ({ status, body, headers }: Answer): string =>
  status < 400 ? "OK" : (body.code ?? headers["skerry-error"]);

describe("a session in a browser", () => {
  it("begins with a key, has its rights and a cookie that no script reads and no other site sends", async () => {
    const answer = await api.call("POST", "/api/v1/session", { body: { key: api.keyOf.operator } });
    expect(answer.status).toBe(201);
    expect(answer.headers["set-cookie"]).toEqual([
      expect.stringMatching(
        /^skerry_session=ss_[0-9a-f]{12}_[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
      ),
    ]);
    expect(answer.body).toMatchObject({ name: "operator-key", role: "operator" });
    const cookie = cookieOf(answer);
    expect(answer.bytes.toString()).not.toContain(cookie.split("=")[1]);
    expect((await ask("GET", "/api/v1/session", { Cookie: `theme=dark; ${cookie}` })).body).toEqual(answer.body);
    expect((await ask("GET", "/api/v1/whoami", { Cookie: cookie })).body.name).toBe("operator-key");
    expect(codeOf(await ask("GET", "/api/v1/audit", { Cookie: cookie }))).toBe("FORBIDDEN");
  });

  it("has a cookie for TLS and this host alone where browsers come by https", async () => {
    await api.close();
    api = await openHttpApi({ publicUrl: "https://skerry.example" });
    const answer = await api.call("POST", "/api/v1/session", { body: { key: api.keyOf.viewer } });
    expect(answer.headers["set-cookie"]?.[0]).toMatch(/^__Host-skerry=.*; Path=\/; HttpOnly; SameSite=Strict; Secure$/);
    expect((await ask("GET", "/api/v1/session", { Cookie: cookieOf(answer) })).status).toBe(200);
  });

  it("needs its token for whatever is no GET, also where models are called", async () => {
    const { cookie, token } = await login();
    const requests: readonly [string, string, Call][] = [
      ["POST", "/api/v1/models", { body: { name: "new" } }],
      ["PATCH", "/api/v1/nodes/edge-a", { body: { labels: {} } }],
      ["POST", "/v2/models/digits/infer", INFER],
      ["POST", "/v2/repository/index", { body: {} }],
    ];
    for (const [method, path, call] of requests) {
      const [without, wrong, right] = [
        await ask(method, path, { Cookie: cookie }, call),
        await ask(method, path, { Cookie: cookie, "X-CSRF-Token": "0".repeat(64) }, call),
        await ask(method, path, { Cookie: cookie, "X-CSRF-Token": token }, call),
      ];
      expect([path, ...[without, wrong, right].map(codeOf)]).toEqual([path, "CSRF_REFUSED", "CSRF_REFUSED", "OK"]);
    }
    const chat = await ask("POST", "/v1/chat/completions", { Cookie: cookie }, { body: {} });
    expect([chat.status, chat.headers["skerry-error"]]).toEqual([403, "CSRF_REFUSED"]);
  });

  it.each([
    [{ Origin: "http://evil.example" }, "CSRF_REFUSED"],
    [{ Origin: "null" }, "CSRF_REFUSED"],
    [{ Origin: "http://127.0.0.1:1" }, "CSRF_REFUSED"],
    [{ "Sec-Fetch-Site": "cross-site" }, "CSRF_REFUSED"],
    [{ "Sec-Fetch-Site": "same-site" }, "CSRF_REFUSED"],
    [{ "Sec-Fetch-Site": "same-origin" }, "OK"],
    [{ "Sec-Fetch-Site": "none" }, "OK"],
    [{ Origin: "http://skerry.test" }, "OK"], // the address of SKERRY_PUBLIC_URL, whatever a proxy makes of the Host
    [{ Origin: "http://console.test:7070", Host: "console.test:7070" }, "OK"],
  ])("answers a page that sends %j with %s", async (headers, code) => {
    const { cookie } = await login();
    expect(codeOf(await ask("GET", "/api/v1/nodes", { Cookie: cookie, ...headers }))).toBe(code);
    const begun = await ask("POST", "/api/v1/session", headers, { body: { key: api.keyOf.viewer } });
    expect(codeOf(begun)).toBe(code);
  });

  it("is not looked at where a key is sent too", async () => {
    const { cookie } = await login("viewer");
    const headers = { Cookie: cookie, Authorization: `Bearer ${api.keyOf.admin}`, Origin: "http://evil.example" };
    expect((await ask("GET", "/api/v1/whoami", headers)).body.role).toBe("admin");
  });

  it("ends when its holder logs out, with the streams that are open by it", async () => {
    const { cookie, token } = await login();
    const stream = await EventStream.open(
      api.open("GET", "/api/v1/events", { headers: { Cookie: cookie, Accept: "text/event-stream" } }),
    );
    const answer = await ask("DELETE", "/api/v1/session", { Cookie: cookie, "X-CSRF-Token": token });
    expect([answer.status, answer.headers["set-cookie"]]).toEqual([
      204,
      ["skerry_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"],
    ]);
    while ((await stream.next()) !== undefined);
    expect(codeOf(await ask("GET", "/api/v1/session", { Cookie: cookie }))).toBe("UNAUTHENTICATED");
    expect(api.stores.audited.map(({ actor, action }) => [actor, action]).slice(-2)).toEqual([
      ["operator-key", "open"],
      ["operator-key", "end"],
    ]);
  });

  it("is void as soon as its key is revoked, with the streams that are open by it", async () => {
    const { cookie } = await login();
    const stream = await EventStream.open(api.open("GET", "/api/v1/nodes?watch", { headers: { Cookie: cookie } }));
    const [id = ""] = /(?<=sk_)[0-9a-f]{12}/.exec(api.keyOf.operator) ?? [];
    await api.call("DELETE", `/api/v1/api-keys/${id}`, { key: api.keyOf.admin });
    while ((await stream.next()) !== undefined);
    expect(codeOf(await ask("GET", "/api/v1/session", { Cookie: cookie }))).toBe("UNAUTHENTICATED");
  });

  it("ends an hour after its last request, and twelve hours after its beginning", async () => {
    const [idle, busy] = [await login(), await login()];
    const statusOf = async ({ cookie }: { cookie: string }): Promise<number> =>
      (await ask("GET", "/api/v1/session", { Cookie: cookie })).status;
    await api.clock.advance(HOUR_MS / 2);
    expect(await statusOf(busy)).toBe(200);
    await api.clock.advance(HOUR_MS / 2 + 1);
    expect([await statusOf(idle), await statusOf(busy)]).toEqual([401, 200]);
    for (let half = 0; half < 21; half += 1) {
      await api.clock.advance(HOUR_MS / 2);
      await settle();
      expect([half, await statusOf(busy)]).toEqual([half, 200]);
    }
    await api.clock.advance(HOUR_MS / 2);
    expect(await statusOf(busy)).toBe(401);
  });

  it("begins with a code once, within two minutes, with the rights of the key that made the code", async () => {
    const made = await api.call("POST", "/api/v1/session/codes", { key: api.keyOf.viewer });
    expect(made.status).toBe(201);
    const { code } = made.body;
    const byCode = () => api.call("POST", "/api/v1/session", { body: { code } });
    const answer = await byCode();
    expect([answer.status, answer.body.role]).toEqual([201, "viewer"]);
    expect((await ask("GET", "/api/v1/nodes", { Cookie: cookieOf(answer) })).status).toBe(200);
    expect(codeOf(await byCode())).toBe("UNAUTHENTICATED");
    const late = (await api.call("POST", "/api/v1/session/codes", { key: api.keyOf.viewer })).body.code;
    await api.clock.advance(120_001);
    expect(codeOf(await api.call("POST", "/api/v1/session", { body: { code: late } }))).toBe("UNAUTHENTICATED");
  });

  it("begins no other one, which would outlast it", async () => {
    const { cookie, token } = await login("admin");
    const [, key = ""] = cookie.split("=");
    expect((await ask("GET", "/api/v1/whoami", { Authorization: `Bearer ${key}` })).status).toBe(200);
    const answer = await api.call("POST", "/api/v1/session", { body: { key } });
    expect([codeOf(answer), answer.headers["set-cookie"]]).toEqual(["UNAUTHENTICATED", undefined]);
    const made = await ask("POST", "/api/v1/session/codes", { Cookie: cookie, "X-CSRF-Token": token });
    expect([codeOf(made), made.body.code]).toEqual(["CONFLICT", "CONFLICT"]);
    expect(api.stores.logins.rows.size).toBe(1);
  });

  it("slows an address down that guesses cookies, codes or keys, and counts who was let in", async () => {
    await api.close();
    api = await openHttpApi({ limits: { failuresPerAddress: { perSecond: 1, burst: 3 } } });
    const guesses: readonly Call[] = [
      { body: { key: `sk_000000000000_${"x".repeat(43)}` } },
      { body: { code: `sc_000000000000_${"x".repeat(43)}` } },
    ];
    await login();
    const codes: string[] = [];
    codes.push(
      codeOf(await ask("GET", "/api/v1/nodes", { Cookie: `skerry_session=ss_000000000000_${"x".repeat(43)}` })),
    );
    for (const guess of [...guesses, ...guesses]) codes.push(codeOf(await api.call("POST", "/api/v1/session", guess)));
    expect(codes).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED", "RATE_LIMITED", "RATE_LIMITED"]);
    const metrics = (await api.call("GET", "/metrics")).bytes.toString();
    expect(metrics).toContain('skerry_logins_total{by="key",outcome="admitted"} 1');
    expect(metrics).toContain('skerry_logins_total{by="key",outcome="refused"} 2');
    expect(metrics).toContain('skerry_logins_total{by="code",outcome="refused"} 2');
    expect(metrics).toContain('skerry_limits_reached_total{limit="failures"} 2');
  });

  it("has no more than twenty of one key: the longest unused one ends", async () => {
    const first = await login();
    for (let at = 0; at < 20; at += 1) await login();
    expect(api.stores.logins.rows.size).toBe(20);
    await api.clock.advance(6_000);
    expect(codeOf(await ask("GET", "/api/v1/session", { Cookie: first.cookie }))).toBe("UNAUTHENTICATED");
  });

  it("is none where a key is sent", async () => {
    for (const method of ["GET", "DELETE"])
      expect(codeOf(await api.call(method, "/api/v1/session", { key: api.keyOf.admin }))).toBe("NOT_FOUND");
  });

  it.each([{}, { key: 1 }, { key: "a", code: "b" }, { key: "a", other: 1 }])("does not begin with %j", async (body) => {
    expect(codeOf(await api.call("POST", "/api/v1/session", { body }))).toBe("INVALID_REQUEST");
  });
});
