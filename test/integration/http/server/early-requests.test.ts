import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { LIMITS } from "../../../../control-plane/adapters/http/server/limits.ts";
import { HttpServer } from "../../../../control-plane/adapters/http/server/server.ts";
import { eventually } from "../../../support/eventually.ts";
import { RawClient } from "../../../support/network/raw-client.ts";
import { settle, TestClock } from "../../../support/test-clock.ts";
import { callAt, openCall } from "../support/http-call.ts";

let clock: TestClock;
let server: HttpServer;
let port: number;
/** What reached the program, in its order. */
let served: string[];

const UPGRADE =
  "GET /api/v1/node/control HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

beforeEach(async () => {
  clock = new TestClock();
  served = [];
  server = new HttpServer({ clock, limits: LIMITS });
  port = await server.listen({ host: "127.0.0.1", port: 0 });
});
afterEach(() => server.stop());

const endStart = (): void =>
  server.serve(
    (request, response) => {
      served.push(request.url ?? "");
      let length = 0;
      request.on("data", (piece: Buffer) => (length += piece.length));
      request.on("end", () => response.end(`${length}`));
    },
    (request, socket) => {
      served.push(`upgrade ${request.url ?? ""}`);
      socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    },
  );

/** Resolves when the server has the request. */
const arrival = (): Promise<void> => new Promise((resolve) => server.server.once("request", () => resolve()));

describe("a control plane that has not started yet", () => {
  it("keeps a request with its body until it has", async () => {
    const arrived = arrival();
    const answer = callAt(port, ["POST", "/v2/models/digits/infer"], { bytes: Buffer.alloc(1_000_000) });
    await arrived;
    await clock.advance(9_000);
    expect(served).toEqual([]);
    endStart();
    expect((await answer).bytes.toString()).toBe("1000000");
    expect(served).toEqual(["/v2/models/digits/infer"]);
  });

  it("keeps a node's socket until it has", async () => {
    const client = await RawClient.open(port);
    const arrived = new Promise((resolve) => server.server.once("upgrade", resolve));
    await client.send(UPGRADE);
    await arrived;
    endStart();
    await eventually("the upgrade", () => client.received.startsWith("HTTP/1.1 101"));
    expect(served).toEqual(["upgrade /api/v1/node/control"]);
  });

  it("says to probes that it lives and is not ready", async () => {
    expect((await callAt(port, ["GET", "/livez"])).body).toEqual({ live: true });
    const { status, body } = await callAt(port, ["GET", "/readyz?for=admin"]);
    expect([status, body]).toEqual([503, { ready: false, reasons: ["starting"] }]);
  });

  it("refuses what has waited for 10 s, in the form of its path, and a node's socket after 15 s", async () => {
    const client = await RawClient.open(port);
    const arrived = [arrival(), new Promise((resolve) => server.server.once("upgrade", resolve))];
    const inference = callAt(port, ["POST", "/v2/models/digits/infer"], { body: {} });
    await arrived[0];
    const second = arrival();
    const admin = callAt(port, ["GET", "/api/v1/nodes"]);
    await second;
    await client.send(UPGRADE);
    await arrived[1];
    await clock.advance(10_000);
    const [refused, problem] = [await inference, await admin];
    expect([refused.status, refused.headers["skerry-error"], refused.headers["retry-after"]]).toEqual([
      503,
      "STARTING",
      "1",
    ]);
    expect(problem.body).toMatchObject({ status: 503, code: "STARTING", requestId: expect.any(String) });
    expect(client.received).toBe("");
    await clock.advance(5_000);
    await eventually("the refusal", () => client.received.startsWith("HTTP/1.1 503"));
    endStart();
    expect(served).toEqual([]);
  });

  it("forgets a request whose caller has gone", async () => {
    const arrived = arrival();
    const request = openCall(port, ["GET", "/api/v1/nodes"]);
    request.on("error", () => undefined);
    request.end();
    await arrived;
    const gone = new Promise((resolve) => server.server.once("connection", (socket) => socket.once("close", resolve)));
    const next = openCall(port, ["GET", "/livez"]);
    next.on("error", () => undefined);
    next.end();
    request.destroy();
    next.destroy();
    await gone;
    await settle();
    endStart();
    expect(served).toEqual([]);
  });

  it("refuses at once what is beyond its bound", async () => {
    const answers = Array.from({ length: 1_025 }, () =>
      callAt(port, ["GET", "/v2/models"]).then(({ status }) => status),
    );
    const early = await Promise.race(answers);
    expect(early).toBe(503);
    endStart();
    expect((await Promise.all(answers)).filter((status) => status === 503)).toEqual([503]);
  });
});
