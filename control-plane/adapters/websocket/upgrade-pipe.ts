import type { IncomingMessage } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";
import { type Duplex, pipeline } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../../../shared/base/clock.ts";
import { STAGING_MS, TRANSFER_SILENCE_MS } from "../../../shared/protocol/limits.ts";
import { HOP_HEADER } from "../../../shared/protocol/peers.ts";
import { tlsOptions, type PeerTls } from "./peers/peer-tls.ts";
import { refuseUpgrade } from "./refuse-upgrade.ts";

const CONNECT_DEADLINE_MS = 5_000;
/** Either end hears sooner that the other is gone. Both may be gone without a word, as with a network that is split. */
const SILENCE_MS = STAGING_MS + TRANSFER_SILENCE_MS;

/**
 * Passes a node's upgrade request, and then every byte both ways, to the control plane at `url`, which holds the node's
 * session: a load balancer sends each connection of a node where it likes. The handshake inside is between the node and
 * that one. 503 when it cannot be reached within 5 s.
 */
export class UpgradePipe {
  readonly #clock: Clock;
  readonly #tls: PeerTls | undefined;
  readonly #open = new Set<Socket>();

  constructor({ clock, tls }: { readonly clock: Clock; readonly tls?: PeerTls }) {
    this.#clock = clock;
    this.#tls = tls;
  }

  pass(request: IncomingMessage, socket: Duplex, head: Buffer, url: string): void {
    const { protocol, hostname, port } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, "");
    const isTls = protocol === "wss:";
    const at = { host, port: Number(port) || (isTls ? 443 : 80) };
    const onward = isTls ? connectTls({ ...at, ...tlsOptions(url, this.#tls) }) : connectTcp(at);
    const fail = (): void => {
      onward.destroy();
      refuseUpgrade(socket, "503 Service Unavailable", "Retry-After: 1\r\n");
    };
    const cancel = this.#clock.after(CONNECT_DEADLINE_MS, fail);
    onward.setNoDelay(true);
    onward.once("error", () => {
      cancel();
      fail();
    });
    socket.once("close", () => {
      cancel();
      onward.destroy();
    });
    onward.once(isTls ? "secureConnect" : "connect", () => {
      cancel();
      onward.removeAllListeners("error");
      this.#open.add(onward);
      onward.write(headOf(request));
      onward.write(head);
      const cancelWatch = this.#watchSilence(onward);
      // The callback takes the errors of both: whichever side fails, both end.
      pipeline(socket, onward, socket, () => {
        cancelWatch();
        this.#open.delete(onward);
        onward.destroy();
        socket.destroy();
      });
    });
  }

  /** Ends a connection on which no byte has moved for 11 minutes. */
  #watchSilence(onward: Socket): () => void {
    let moved = -1;
    let cancel = (): void => undefined;
    const look = (): void => {
      const bytes = onward.bytesRead + onward.bytesWritten;
      if (bytes === moved) return void onward.destroy();
      moved = bytes;
      cancel = this.#clock.after(SILENCE_MS, look);
    };
    look();
    return () => cancel();
  }

  /** Ends every connection that is passed on, at once. */
  terminateAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

/** The request as it came, with the mark that keeps it from being passed on again. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`, `${HOP_HEADER}: 1`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
