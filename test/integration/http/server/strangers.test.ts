import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { eventually } from "../../../support/eventually.ts";
import type { Answer } from "../support/http-call.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
afterEach(() => api.close());

const limitOf = async (limit: string): Promise<number> =>
  Number(
    new RegExp(`skerry_limits_reached_total\\{limit="${limit}"\\} (\\d+)`).exec(
      (await api.call("GET", "/metrics")).bytes.toString(),
    )?.[1] ?? 0,
  );
const retryAfterOf = ({ status, headers }: Answer): unknown => [status, headers["retry-after"]];

describe("an address without a key", () => {
  it("is slowed down in what it may ask, and no other address is, nor a key of the same address", async () => {
    api = await openHttpApi({ trustedProxies: 1, limits: { requestsPerStranger: { perSecond: 0.5, burst: 2 } } });
    const from = (address: string, path = "/api/v1/login"): Promise<Answer> =>
      api.call("GET", path, { headers: { "X-Forwarded-For": `203.0.113.9, ${address}` } });
    const answers: Answer[] = [];
    for (let at = 0; at < 3; at += 1) answers.push(await from("192.0.2.1"));
    expect(answers.map(retryAfterOf)).toEqual([
      [200, undefined],
      [200, undefined],
      [429, "2"],
    ]);
    expect(answers[2]?.body.code).toBe("RATE_LIMITED");
    expect(await limitOf("strangers")).toBe(1);
    expect((await from("192.0.2.2")).status).toBe(200);
    expect((await from("192.0.2.1", "/livez")).status).toBe(200);
    const headers = { "X-Forwarded-For": "192.0.2.1" };
    expect((await api.call("GET", "/api/v1/whoami", { key: api.keyOf.viewer, headers })).status).toBe(200);
    await api.clock.advance(2_000);
    expect((await from("192.0.2.1")).status).toBe(200);
  });

  it("is slowed down when its joins are refused again and again, which is counted", async () => {
    api = await openHttpApi({
      limits: { failuresPerAddress: { perSecond: 1, burst: 2 } },
      join: () => Promise.reject(new SkerryError("JOIN_REFUSED", "the token is not known")),
    });
    const body = {
      tokenId: "a".repeat(16),
      secret: "b".repeat(43),
      name: "edge-x",
      kind: "edge",
      publicKey: "c".repeat(43),
      proof: "d".repeat(86),
    };
    const statuses: number[] = [];
    for (let at = 0; at < 3; at += 1) statuses.push((await api.call("POST", "/api/v1/join", { body })).status);
    expect(statuses).toEqual([401, 401, 429]);
    expect(await limitOf("failures")).toBe(1);
  });

  it("has no more connections than its bound: one too many is ended, and one that ends makes room", async () => {
    api = await openHttpApi({ limits: { connectionsPerAddress: 3 } });
    const open = async (): Promise<Socket> => {
      const socket = connect(api.port, "127.0.0.1");
      socket.on("error", () => undefined);
      await once(socket, "connect");
      return socket;
    };
    const held = [await open(), await open(), await open()];
    const refused = await open();
    await once(refused, "close");
    held[0]?.destroy();
    const isAnswered = (): Promise<boolean> =>
      api.call("GET", "/livez").then(
        () => true,
        () => false,
      );
    await eventually("there is room again", isAnswered);
    expect(await limitOf("connections")).toBeGreaterThanOrEqual(1);
    for (const socket of held) socket.destroy();
  });
});
