import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { createServer } from "node:tls";
import { pinnedConnect } from "../../../../edge-node/adapters/system/pinned-connect.ts";
import { messageOf } from "../../../../shared/base/errors.ts";

const read = (name: string): string =>
  readFileSync(path.join(import.meta.dirname, "../../../support/network/tls", name), "utf8");
const authority = read("ca.pem");
const pin = createHash("sha256")
  .update(new X509Certificate(authority).publicKey.export({ type: "spki", format: "der" }))
  .digest("base64url");

/**
 * A node dials a machine in the middle, which has a certificate for the right name by another authority. `by`: what the node
 * verifies with. Tells whether it went on, and how many bytes of it the middle could read.
 */
export async function dialMiddle(by: "pin" | "authority"): Promise<string> {
  let heard = 0;
  const server = createServer({ cert: read("stranger.pem"), key: read("stranger.key") }, (socket) => {
    socket.on("error", () => undefined).on("data", (bytes) => (heard += bytes.length));
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const policy = by === "pin" ? { pin } : { pin: "none", authorities: authority };
  try {
    const url = new URL(`wss://localhost:${port}`);
    const socket = await pinnedConnect({ ...policy, isNetworkTrusted: false }, url, AbortSignal.timeout(30_000));
    socket.destroy();
    return "connected";
  } catch (error) {
    const isOfTheCertificate = /pinned key|certificate/.test(messageOf(error));
    return isOfTheCertificate ? `refused, ${heard} bytes sent` : messageOf(error);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
