import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { keyPair, keys } from "../../../control-plane/adapters/system/ed25519.ts";
import { certificatesOf } from "../../../control-plane/adapters/tls/certificate-check.ts";
import { OwnAuthority } from "../../../control-plane/adapters/tls/own-authority.ts";
import { WebSocketPeerDialer } from "../../../control-plane/adapters/websocket/peers/peer-dialer.ts";
import { PeerServer } from "../../../control-plane/adapters/websocket/peers/peer-server.ts";
import type { PeerTls } from "../../../control-plane/adapters/websocket/peers/peer-tls.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { TestClock } from "../../support/test-clock.ts";

const CP = "cp-1";
const clock = new TestClock();
const key = keyPair();
const otherKey = keyPair();
let folder: string;
let server: Server;
let peers: PeerServer;
let authority: string;
let stranger: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-peers-"));
  const make = (name: string, names: readonly string[]) =>
    new OwnAuthority(path.join(folder, name), () => Date.now()).certificateFor(names);
  const shown = await make("ours", ["skerry-control-plane"]);
  authority = certificatesOf(shown.cert)[1]?.toString() ?? "";
  stranger = certificatesOf((await make("theirs", ["skerry-control-plane"])).cert)[1]?.toString() ?? "";
  peers = new PeerServer({
    handler: { publicKeyOf: () => Promise.resolve(key.publicKey), onRequest: () => Promise.resolve() },
    key: otherKey,
    keys,
    clock,
    logger: silentLogger,
    cpId: CP,
    replica: "r-2",
  });
  server = createServer({ cert: shown.cert, key: shown.key });
  server.on("upgrade", peers.upgrade);
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  peers.terminateAll();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

async function dial(tls: PeerTls): Promise<void> {
  const url = `wss://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const dialer = new WebSocketPeerDialer({ replica: "r-1", cpId: CP, key, keys, clock, tls });
  const peer = { id: "r-2", url, publicKey: otherKey.publicKey };
  const channel = await dialer.dial(peer, new AbortController().signal);
  channel.close(CLOSE.DONE, "");
  await channel.closed;
}

describe("a channel between control planes over TLS", () => {
  it("opens to a certificate of the authority that is for the name which was said", async () => {
    await expect(dial({ authorities: authority, name: "skerry-control-plane" })).resolves.toBeUndefined();
  });

  it("does not open to another authority's, nor to a certificate for another name", async () => {
    await expect(dial({ authorities: stranger, name: "skerry-control-plane" })).rejects.toThrow(
      /self-signed|unable to verify|signature/,
    );
    await expect(dial({ authorities: undefined, name: "skerry-control-plane" })).rejects.toThrow(/self-signed|unable/);
    await expect(dial({ authorities: authority, name: undefined })).rejects.toThrow(/IP: 127.0.0.1 is not in the cert/);
  });
});
