import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { EngineClient } from "../../../../edge-node/adapters/engine/engine-client.ts";
import { eventually } from "../../../support/eventually.ts";

const HEAD_MS = 10_000;
/** Longer than a connection that was closed while it was idle goes unnoticed. */
const LATE_MS = 700;

let server: Server;
let client: EngineClient;
const sockets = new Set<Socket>();
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response));
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new EngineClient({ api: "openai", url, keyFile: undefined, slots: 4, metrics: undefined });
});

afterEach(async () => {
  client.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await new Promise((resolve) => server.close(resolve));
});

describe("the client of an engine", () => {
  it("opens a connection for each request that it is given, so that none waits where it has no priority", async () => {
    let open = 0;
    answer = () => (open += 1);
    const exchanges = Array.from({ length: 100 }, () => client.ask({ method: "GET", path: "/", headMs: HEAD_MS }));
    await eventually("all are at the engine", () => open === exchanges.length);
    for (const { close } of exchanges) close();
    const ends = await Promise.allSettled(exchanges.map(({ head }) => head));
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["rejected"]));
  });

  it("sends a request once that may have ended its connection, and says that it was sent", async () => {
    const seen: (string | undefined)[] = [];
    answer = ({ url }, response) => {
      seen.push(url);
      if (url === "/first") response.end("{}");
      else setTimeout(() => response.socket?.destroy(), LATE_MS);
    };
    const first = await client.ask({ method: "POST", path: "/first", headMs: HEAD_MS }).head;
    first.resume();
    await once(first, "close");
    const second = client.ask({ method: "POST", path: "/second", headMs: HEAD_MS });
    await expect(second.head).rejects.toMatchObject({ code: "HOST_CRASHED", started: true });
    expect([seen, sockets.size]).toEqual([["/first", "/second"], 1]);
  });
});
