import { afterEach, describe, expect, it } from "@jest/globals";
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { AddressInfo, Server } from "node:net";
import path from "node:path";
import { createServer } from "node:tls";
import { pinnedConnect } from "../../../../edge-node/adapters/system/pinned-connect.ts";

const read = (name: string): string =>
  readFileSync(path.join(import.meta.dirname, "../../../support/network/tls", name), "utf8");
const ca = read("ca.pem");
const own = { cert: read("server.pem"), key: read("server.key") };
const stranger = { cert: read("stranger.pem"), key: read("stranger.key") };

const pinOf = (pem: string): string =>
  createHash("sha256")
    .update(new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url");

let server: Server | undefined;
afterEach(async () => {
  await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  server = undefined;
});

interface Target {
  readonly pin: string;
  readonly host?: string;
}

/** Serves `cert` on loopback and connects to it with the pin. */
async function dial(
  shown: { readonly cert: string; readonly key: string },
  { pin, host = "localhost" }: Target,
): Promise<void> {
  server = createServer(shown, (socket) => socket.on("error", () => undefined).resume());
  await new Promise<void>((resolve) => server?.listen(0, host === "localhost" ? "127.0.0.1" : host, resolve));
  const { port } = server.address() as AddressInfo;
  const url = new URL(`wss://${host}:${port}`);
  const socket = await pinnedConnect({ pin, isNetworkTrusted: false }, url, AbortSignal.timeout(30_000));
  socket.destroy();
}

describe("pinnedConnect", () => {
  it("takes the pinned certificate, and one that the pinned authority signed", async () => {
    await expect(dial(own, { pin: pinOf(own.cert) })).resolves.toBeUndefined();
    server?.close();
    await expect(dial({ ...own, cert: own.cert + ca }, { pin: pinOf(ca) })).resolves.toBeUndefined();
  });

  it("refuses another key for the same name", async () => {
    await expect(dial(stranger, { pin: pinOf(own.cert) })).rejects.toThrow(
      "no certificate in the peer's chain has the pinned key",
    );
  });

  it("refuses a chain to which the pinned certificate was only appended", async () => {
    await expect(dial({ ...stranger, cert: stranger.cert + ca }, { pin: pinOf(ca) })).rejects.toThrow("pinned key");
  });

  it("refuses a certificate for another name", async () => {
    await expect(dial(own, { pin: pinOf(own.cert), host: "127.0.0.2" })).rejects.toThrow(
      "the peer's certificate is not for 127.0.0.2",
    );
  });

  it("dials without TLS on loopback only, unless the network is trusted", async () => {
    const signal = AbortSignal.timeout(30_000);
    const plain = (url: string, pin: string): Promise<unknown> =>
      pinnedConnect({ pin, isNetworkTrusted: false }, new URL(url), signal);
    await expect(plain("ws://192.0.2.7", "none")).rejects.toThrow(/loopback only.*SKERRY_TRUSTED_NETWORK/);
    await expect(plain("ws://localhost", pinOf(ca))).rejects.toThrow("without TLS: use https");
  });
});
