import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type RawData, WebSocket } from "ws";
import type { z } from "zod";
import type { Clock } from "../../../../shared/base/clock.ts";
import { AUTHENTICATION_DEADLINE_MS, MAX_MESSAGE_BYTES } from "../../../../shared/protocol/limits.ts";
import {
  PEER_PATH,
  PEER_SUBPROTOCOL,
  peerAttached,
  peerChallenge,
  REPLICA_HEADER,
} from "../../../../shared/protocol/peers.ts";
import { peerProofText } from "../../../../shared/protocol/proofs.ts";
import type { KeyPair, Keys } from "../../../ports/access/keys.ts";
import type { Peer } from "../../../ports/nodes/nodes.ts";
import type { PeerDialer } from "../../../ports/nodes/peers.ts";
import { parseMessage } from "../parse-message.ts";
import { tlsOptions, type PeerTls } from "./peer-tls.ts";
import { WebSocketPeerChannel } from "./peer-channel.ts";

/** DNS, TCP, TLS and the upgrade together. */
const UPGRADE_DEADLINE_MS = 5_000;

interface Parts {
  /** The id of this control plane. */
  readonly replica: string;
  readonly cpId: string;
  readonly key: KeyPair;
  readonly keys: Keys;
  readonly clock: Clock;
  /** Left out: by its address and the authorities of the machine. */
  readonly tls?: PeerTls;
}

/** Dials other control planes over ws. Each side proves to be the one whose key is recorded: who listens where another one did gets nothing. */
export class WebSocketPeerDialer implements PeerDialer {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async dial({ id, url, publicKey }: Peer & { readonly url: string }, signal: AbortSignal) {
    const { replica, cpId, key, keys, clock, tls } = this.#parts;
    const webSocket = new WebSocket(new URL(PEER_PATH, url), [PEER_SUBPROTOCOL], {
      ...tlsOptions(url, tls),
      headers: { [REPLICA_HEADER]: replica },
      handshakeTimeout: UPGRADE_DEADLINE_MS,
      perMessageDeflate: false,
      followRedirects: false,
      maxPayload: MAX_MESSAGE_BYTES,
      maxFragments: 64,
      maxBufferedChunks: 1_024,
      allowSynchronousEvents: true, // `releaseSpentChunks` counts on it
    });
    const messages = new HandshakeMessages(webSocket);
    const end = (): void => webSocket.terminate();
    const cancel = clock.after(UPGRADE_DEADLINE_MS + AUTHENTICATION_DEADLINE_MS, end);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    try {
      const below = await upgraded(webSocket);
      const { nonce } = await messages.next(peerChallenge);
      const about = { cpId, from: replica, to: id };
      const ours = keys.secret();
      const signature = key.sign(peerProofText({ side: "dials", ...about, nonce }));
      webSocket.send(JSON.stringify({ type: "proof", signature, nonce: ours }));
      const attached = await messages.next(peerAttached);
      if (!keys.verify(publicKey, peerProofText({ side: "answers", ...about, nonce: ours }), attached.signature))
        throw new Error("another control plane answers there");
      messages.end();
      return new WebSocketPeerChannel(webSocket, { below, clock });
    } catch (error) {
      end();
      throw error;
    } finally {
      cancel();
      signal.removeEventListener("abort", end);
    }
  }
}

/** The socket under an upgraded WebSocket. */
function upgraded(webSocket: WebSocket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    webSocket.on("error", reject); // it stays: without a listener a later error would end the process
    webSocket.once("upgrade", ({ socket }: IncomingMessage) => webSocket.once("open", () => resolve(socket)));
  });
}

/** The messages of a handshake, from the first: one may come with the upgrade itself, before anybody waits for it. */
class HandshakeMessages {
  readonly #webSocket: WebSocket;
  readonly #arrived: RawData[] = [];
  #wake: () => void = () => undefined;
  #closed: string | undefined;

  constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
    webSocket.on("message", this.#onMessage);
    webSocket.once("close", (code: number, reason: Buffer) => {
      this.#closed = `${code} ${reason.toString("utf8")}`.trimEnd();
      this.#wake();
    });
  }

  readonly #onMessage = (data: RawData): void => {
    this.#arrived.push(data);
    this.#wake();
  };

  /** The next message, which is of `schema`. Throws when another comes, or the socket closes. */
  async next<Schema extends z.ZodType>(schema: Schema): Promise<z.infer<Schema>> {
    while (this.#arrived.length === 0 && this.#closed === undefined)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    const data = this.#arrived.shift();
    if (data === undefined) throw new Error(`it closed with ${this.#closed}`);
    const message = parseMessage(schema, data);
    if (message === undefined) throw new Error("the handshake broke the protocol");
    return message;
  }

  /** The handshake is over: the other side says nothing until it is asked. */
  end(): void {
    this.#webSocket.off("message", this.#onMessage);
  }
}
