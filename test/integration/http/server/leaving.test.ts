import { Agent, type IncomingMessage, request } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { LIMITS } from "../../../../control-plane/adapters/http/server/limits.ts";
import { HttpServer } from "../../../../control-plane/adapters/http/server/server.ts";
import { TestClock } from "../../../support/test-clock.ts";

let server: HttpServer;
let port: number;
let agent: Agent;
/** Connections that the server took. */
let connections: number;

beforeEach(async () => {
  server = new HttpServer({ clock: new TestClock(), limits: LIMITS });
  connections = 0;
  server.server.on("connection", () => (connections += 1));
  port = await server.listen({ host: "127.0.0.1", port: 0 });
  server.serve(
    (_request, response) => void response.writeHead(200, ["Content-Length", "2"]).end("ok"),
    () => undefined,
  );
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
});

afterEach(async () => {
  agent.destroy();
  await server.stop();
});

/** Asks on a connection that is kept, if the server keeps it. */
function ask(): Promise<{ readonly status: number | undefined; readonly connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", agent }, (answer: IncomingMessage) => {
      answer.resume();
      answer.once("end", () => resolve({ status: answer.statusCode, connection: answer.headers.connection }));
    });
    asked.once("error", reject);
    asked.end();
  });
}

describe("a server that is about to stop", () => {
  it("serves on, and ends each connection with its next answer", async () => {
    expect(await ask()).toEqual({ status: 200, connection: "keep-alive" });
    expect(await ask()).toEqual({ status: 200, connection: "keep-alive" });
    expect(connections).toBe(1);
    server.leave();
    expect(await ask()).toEqual({ status: 200, connection: "close" });
    expect(await ask()).toEqual({ status: 200, connection: "close" });
    expect(connections).toBe(2);
  });
});
