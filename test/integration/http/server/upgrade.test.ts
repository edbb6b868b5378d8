import { afterEach, describe, expect, it } from "@jest/globals";
import type { Duplex } from "node:stream";
import { eventually } from "../../../support/eventually.ts";
import { postHead, RawClient } from "../../../support/network/raw-client.ts";
import { openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
let client: RawClient;
afterEach(async () => {
  client.vanish();
  await api.close();
});

/** What Java's HttpClient sends with the first request of each connection. */
const H2C = {
  Connection: "Upgrade, HTTP2-Settings",
  Upgrade: "h2c",
  "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
};

/** With a listener for upgrades, as the nodes' channels have one; what reaches it is answered 426. */
async function openClient(): Promise<void> {
  api = await openHttpApi();
  api.api.http.server.on("upgrade", (_request, socket: Duplex) => socket.end("HTTP/1.1 426 Upgrade Required\r\n\r\n"));
  client = await RawClient.open(api.port);
}

const statuses = (): string => [...client.received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status).join();
const until = (expected: string): Promise<unknown> => eventually(`answers ${expected}`, () => statuses() === expected);

describe("an offer to upgrade to HTTP/2", () => {
  it("is ignored, on each request of a connection", async () => {
    await openClient();
    const lines = Object.entries(H2C).map(([name, value]) => `${name}: ${value}\r\n`);
    const get = `GET /v2/health/live HTTP/1.1\r\nHost: x\r\n${lines.join("")}\r\n`;
    await client.send(get);
    await until("200");
    await client.send(get);
    await until("200,200");
    expect(client.received).toContain('{"live":true}');
  });

  it("is ignored with a body, in one segment or two", async () => {
    await openClient();
    const key = { Authorization: `Bearer ${api.keyOf.application}` };
    const head = postHead("/v2/models/digits/infer", { ...H2C, ...key, "Content-Length": 2 });
    await client.send(`${head}{}`);
    await until("200");
    await client.send(head);
    await client.send("{}");
    await until("200,200");
    expect(client.received).toContain("Skerry-Node: edge-a");
  });

  it("does not keep a WebSocket from its listener", async () => {
    await openClient();
    await client.send(
      "GET /api/v1/node/control HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
    );
    await until("426");
    expect(client.received).not.toContain("200");
  });
});
