import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Bucket } from "../../../control-plane/adapters/artifacts/s3/bucket.ts";
import { OwnAuthority } from "../../../control-plane/adapters/tls/own-authority.ts";

let folder: string;
let server: Server;
/** What somebody who answers in the place of the store heard of HTTP. */
let heard: string[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-store-tls-"));
  heard = [];
  const { cert, key } = await new OwnAuthority(folder, () => Date.now()).certificateFor(["127.0.0.1"]);
  server = createServer({ cert, key }, (request, response) => {
    heard.push(`${request.method} ${request.headers.authorization}`);
    response.statusCode = 404;
    response.end();
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env["AWS_ACCESS_KEY_ID"] = "id";
  process.env["AWS_SECRET_ACCESS_KEY"] = "secret";
});

afterEach(async () => {
  delete process.env["AWS_ACCESS_KEY_ID"];
  delete process.env["AWS_SECRET_ACCESS_KEY"];
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

describe("an object store with TLS", () => {
  it("is asked for nothing when no authority of the machine vouches for its certificate", async () => {
    const { port } = server.address() as AddressInfo;
    const endpoint = `https://127.0.0.1:${port}`;
    const bucket = new Bucket({ bucket: "models", prefix: "", endpoint, region: "us-east-1" });
    await expect(bucket.head("digits")).rejects.toMatchObject({
      code: "STORAGE_UNAVAILABLE",
      message: expect.stringMatching(/self-signed certificate|unable to verify/),
    });
    expect(heard).toEqual([]);
  });
});
