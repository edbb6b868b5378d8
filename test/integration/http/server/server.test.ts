import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import { connect } from "node:net";
import { ERRORS, SkerryError } from "../../../../shared/base/errors.ts";
import { eventually } from "../../../support/eventually.ts";
import { settle } from "../../../support/test-clock.ts";
import { anAnswer, openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";
import { secretOf } from "../../../support/secret-of.ts";

let api: OpenHttpApi;
afterEach(() => api.close());

const JOIN = {
  tokenId: "a".repeat(16),
  secret: "s".repeat(43),
  name: "dock-7",
  kind: "edge",
  publicKey: "k".repeat(43),
  proof: "p".repeat(86),
};

/** What the server says to raw bytes, until it closes. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  socket.on("error", () => undefined);
  socket.write(bytes);
  await once(socket, "close");
  return text;
}

describe("the HTTP server", () => {
  it("lets running requests end when it stops, and takes no new connection", async () => {
    const entered = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    api = await openHttpApi({
      infer: async () => {
        entered.resolve();
        await release.promise;
        return anAnswer();
      },
    });
    const running = api.call("POST", "/v2/models/digits/infer", {
      key: api.keyOf.operator,
      bytes: Buffer.from("{}"),
    });
    await entered.promise;
    const stopped = api.api.http.stop();
    await expect(api.call("GET", "/livez")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    release.resolve();
    expect((await running).status).toBe(200);
    await stopped;
  });

  it("waits 25 s for them and no longer", async () => {
    const entered = Promise.withResolvers<void>();
    api = await openHttpApi({
      infer: ({ cancellation }) =>
        new Promise((resolve) => {
          entered.resolve();
          cancellation.onCancel(() => resolve(anAnswer()));
        }),
    });
    const running = api.call("POST", "/v2/models/digits/infer", {
      key: api.keyOf.operator,
      bytes: Buffer.from("{}"),
    });
    running.catch(() => undefined);
    await entered.promise;
    const stopped = api.api.http.stop();
    await api.clock.advance(25_000);
    await stopped;
    await expect(running).rejects.toThrow("socket hang up");
  });

  it("refuses a header over 16 KiB and what is no HTTP", async () => {
    api = await openHttpApi();
    expect(await raw(api.port, `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(17_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 /,
    );
    expect(await raw(api.port, "NONSENSE\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /);
  });

  it("counts requests that are ended before they are one, and connections beyond its bound", async () => {
    api = await openHttpApi({ limits: { headersMs: 400, connections: 2 } });
    const { port } = api;
    expect(await raw(port, `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(17_000)}\r\n\r\n`)).toMatch(/ 431 /);
    expect(await raw(port, "GET /livez HTTP/1.1\r\nHost: x\r\n")).toMatch(/ 408 /);
    const open = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => undefined);
        await once(socket, "connect");
        return socket;
      }),
    );
    await eventually("one is ended", () => open.some(({ destroyed }) => destroyed));
    for (const socket of open) socket.destroy();
    // Its server hears a moment later that they are gone.
    const text = await eventually("a connection is taken again", async () => {
      const answer = await raw(port, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
      return answer.includes("skerry_limits_reached_total") && answer;
    });
    const counted = [...text.matchAll(/^skerry_limits_reached_total\{limit="([^"]+)"\} \d+$/gm)];
    expect(counted.map(([, limit = ""]) => limit).toSorted()).toEqual(["arrival-time", "connections", "head-size"]);
  });

  it("keeps an idle connection for longer than the proxies in front do", async () => {
    api = await openHttpApi();
    const { headers } = await fetch(`http://127.0.0.1:${api.port}/livez`);
    expect(headers.get("keep-alive")).toBe("timeout=75");
  });

  it("leaves upgrades to the attached handler", async () => {
    api = await openHttpApi();
    api.api.http.server.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n"));
    expect(
      await raw(
        api.port,
        "GET /api/v1/node/control HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      ),
    ).toMatch(/^HTTP\/1.1 101 /);
  });

  it("closes the connection of a body that it did not want", async () => {
    api = await openHttpApi({ limits: { keepAliveMs: 3_600_000 } });
    const socket = connect(api.port, "127.0.0.1");
    const closed = once(socket, "close");
    socket.on("error", () => undefined).resume();
    socket.write("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
    await once(socket, "data");
    await api.clock.advance(1_000);
    await expect(closed).resolves.toBeDefined();
  });

  it("keeps it when the rest came in time, also when the server was too busy to read it by then", async () => {
    api = await openHttpApi({ limits: { keepAliveMs: 3_600_000 } });
    const socket = connect(api.port, "127.0.0.1");
    let text = "";
    socket.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    socket.write("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
    await once(socket, "data");
    // The rest lies at the server before the time is over, and nothing is read between the two.
    await settle();
    socket.write("def");
    await api.clock.advance(1_000);
    socket.write("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await once(socket, "close");
    expect(text).toMatch(/^HTTP\/1.1 404 [^]*HTTP\/1.1 200 /);
  });

  it("is ready or says why not", async () => {
    api = await openHttpApi({ readiness: () => ({ ready: false, reasons: ["PostgreSQL does not answer"] }) });
    const { status, body } = await api.call("GET", "/readyz");
    expect([status, body]).toEqual([503, { ready: false, reasons: ["PostgreSQL does not answer"] }]);
    expect((await api.call("GET", "/v2/health/ready")).body).toEqual({ ready: false });
    expect((await api.call("GET", "/livez")).status).toBe(200);
  });
});

describe("rate limits", () => {
  it("slow down who guesses keys, and not who has one", async () => {
    api = await openHttpApi({ limits: { failuresPerAddress: { perSecond: 10, burst: 3 } } });
    await api.call("GET", "/api/v1/whoami", { key: api.keyOf.viewer });
    const statuses: number[] = [];
    for (let at = 0; at < 5; at += 1)
      statuses.push((await api.call("GET", "/api/v1/whoami", { key: `sk_00000000000${at}_${"x".repeat(43)}` })).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    expect((await api.call("GET", "/api/v1/whoami", { key: api.keyOf.viewer })).status).toBe(200);
    await api.clock.advance(100);
    expect((await api.call("GET", "/api/v1/whoami", { key: api.keyOf.operator })).status).toBe(200);
  });

  it("slow down one key that makes keys and tokens without end, and nothing else of it", async () => {
    api = await openHttpApi({ limits: { credentialsPerKey: { perSecond: 2, burst: 2 } } });
    const make = (name: string) =>
      api.call("POST", "/api/v1/api-keys", { key: api.keyOf.admin, body: { name, role: "viewer", ttlDays: 1 } });
    const made = [await make("a"), await make("b"), await make("c")];
    expect(made.map(({ status }) => status)).toEqual([201, 201, 429]);
    expect(made[2]?.body).toMatchObject({ code: "RATE_LIMITED" });
    expect((await api.call("GET", "/api/v1/api-keys", { key: api.keyOf.admin })).status).toBe(200);
    expect(await fetch(`http://127.0.0.1:${api.port}/metrics`).then((answer) => answer.text())).toContain(
      'skerry_limits_reached_total{limit="credentials"} 1',
    );
    await api.clock.advance(500);
    expect((await make("d")).status).toBe(201);
  });

  it("slow down one key that asks too much, and no other", async () => {
    api = await openHttpApi({ limits: { requestsPerKey: { perSecond: 10, burst: 2 } } });
    const ask = (key: string) => api.call("GET", "/api/v1/whoami", { key });
    const statuses = [await ask(api.keyOf.viewer), await ask(api.keyOf.viewer), await ask(api.keyOf.viewer)].map(
      ({ status }) => status,
    );
    expect(statuses).toEqual([200, 200, 429]);
    expect((await ask(api.keyOf.operator)).status).toBe(200);
  });

  it("slow down refused joins of one address, and word all refusals alike", async () => {
    api = await openHttpApi({
      join: () => Promise.reject(new SkerryError("JOIN_REFUSED", "the join token is wrong, used or expired")),
      limits: { failuresPerAddress: { perSecond: 10, burst: 2 } },
      trustedProxies: 1,
    });
    const join = (address: string) =>
      api.call("POST", "/api/v1/join", { body: JOIN, headers: { "X-Forwarded-For": `spoofed, ${address}` } });
    const answers = [
      await join("192.0.2.1"),
      await join("192.0.2.1"),
      await join("192.0.2.1"),
      await join("192.0.2.2"),
    ];
    expect(answers.map(({ body }) => body.code)).toEqual([
      "JOIN_REFUSED",
      "JOIN_REFUSED",
      "RATE_LIMITED",
      "JOIN_REFUSED",
    ]);
    expect(answers[0]?.status).toBe(ERRORS.JOIN_REFUSED.status);
  });

  it("let a node join", async () => {
    api = await openHttpApi();
    expect((await api.call("POST", "/api/v1/join", { body: JOIN })).status).toBe(201);
  });
});

describe("API keys", () => {
  beforeEach(async () => {
    api = await openHttpApi();
  });

  it("are shown once, listed without their secret, and void at once when revoked", async () => {
    const made = await api.call("POST", "/api/v1/api-keys", {
      key: api.keyOf.admin,
      body: { name: "ci", role: "operator", ttlDays: 1 },
    });
    expect(made.body.key).toMatch(/^sk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    expect((await api.call("GET", "/api/v1/whoami", { key: made.body.key })).body).toMatchObject({
      name: "ci",
      role: "operator",
      keyId: made.body.id,
    });
    const { bytes } = await api.call("GET", "/api/v1/api-keys", { key: api.keyOf.admin });
    expect(bytes.toString()).not.toContain(secretOf(made.body.key));
    expect((await api.call("DELETE", `/api/v1/api-keys/${made.body.id}`, { key: api.keyOf.admin })).status).toBe(204);
    expect((await api.call("GET", "/api/v1/whoami", { key: made.body.key })).status).toBe(401);
  });

  it("are no good with another secret, another id or in another form", async () => {
    const secret = secretOf(api.keyOf.viewer);
    const id = api.keyOf.viewer.slice("sk_".length, -secret.length - 1);
    const wrong = [
      `sk_${id}_${"A".repeat(43)}`,
      `sk_${"0".repeat(12)}_${secret}`,
      `sk_${id}_${secret}A`,
      `${id}_${secret}`,
      secret,
    ];
    for (const key of wrong) expect((await api.call("GET", "/api/v1/whoami", { key })).status).toBe(401);
    const scheme = { headers: { Authorization: `Basic ${api.keyOf.viewer}` } };
    expect((await api.call("GET", "/api/v1/whoami", scheme)).status).toBe(401);
    expect((await api.call("GET", "/api/v1/whoami", { key: api.keyOf.viewer })).status).toBe(200);
  });

  it("expire", async () => {
    const { body } = await api.call("POST", "/api/v1/api-keys", {
      key: api.keyOf.admin,
      body: { name: "short", role: "viewer", ttlDays: 1 },
    });
    expect((await api.call("GET", "/api/v1/whoami", { key: body.key })).status).toBe(200);
    await api.clock.advance(86_400_000);
    expect((await api.call("GET", "/api/v1/whoami", { key: body.key })).status).toBe(401);
  });
});
