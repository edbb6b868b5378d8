import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Clock } from "../../../../shared/base/clock.ts";
import { messageOf } from "../../../../shared/base/errors.ts";
import type { Logger } from "../../../../shared/base/logging/logger.ts";
import { CLOSE } from "../../../../shared/protocol/close-codes.ts";
import { MAX_MESSAGE_BYTES } from "../../../../shared/protocol/limits.ts";
import { PEER_PATH, PEER_SUBPROTOCOL, peerProof, REPLICA_HEADER } from "../../../../shared/protocol/peers.ts";
import { peerProofText } from "../../../../shared/protocol/proofs.ts";
import type { KeyPair, Keys } from "../../../ports/access/keys.ts";
import type { PeerHandler } from "../../../ports/nodes/peers.ts";
import { firstMessage, refuse } from "../handshake/handshake.ts";
import { parseMessage } from "../parse-message.ts";
import { WebSocketPeerResponder } from "./peer-responder.ts";
import { refuseUpgrade } from "../refuse-upgrade.ts";
import { UnprovenSockets } from "../handshake/unproven-sockets.ts";

interface Parts {
  readonly handler: PeerHandler;
  readonly key: KeyPair;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cpId: string;
  /** The id of this control plane. */
  readonly replica: string;
}

/**
 * Takes the channels of other control planes off an http server's upgrade requests. Each side proves with every socket that
 * it holds the key which is recorded of it in the database: 403 a browser, 426 another protocol, 4401 a proof that does not
 * hold, 4408 none within 5 s. Each has one channel: the newest, which ends the one before with 4409.
 */
export class PeerServer {
  readonly #parts: Parts;
  readonly #unproven = new UnprovenSockets();
  /** Of those that have proved themselves, by control plane. */
  readonly #channels = new Map<string, WebSocketPeerResponder>();
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    maxBufferedChunks: 1_024,
    maxFragments: 64,
    allowSynchronousEvents: true, // `releaseSpentChunks` counts on it
    perMessageDeflate: false,
    handleProtocols: () => PEER_SUBPROTOCOL,
  });

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  takes(request: IncomingMessage): boolean {
    return (request.url ?? "").split("?", 1)[0] === PEER_PATH;
  }

  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on("error", () => socket.destroy());
    const peerId = request.headers[REPLICA_HEADER];
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
    if (request.headers.origin !== undefined) return refuseUpgrade(socket, "403 Forbidden");
    if (!offered.includes(PEER_SUBPROTOCOL))
      return refuseUpgrade(socket, "426 Upgrade Required", `Sec-WebSocket-Protocol: ${PEER_SUBPROTOCOL}\r\n`);
    if (typeof peerId !== "string") return refuseUpgrade(socket, "401 Unauthorized");
    const address = request.socket.remoteAddress ?? "unknown";
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      void this.#authenticate(webSocket, { peerId, address, below: socket });
    });
  };

  /** Ends every socket that is still open, at once. */
  terminateAll(): void {
    for (const client of this.#server.clients) client.terminate();
  }

  async #authenticate(
    webSocket: WebSocket,
    { peerId, address, below }: { readonly peerId: string; readonly address: string; readonly below: Duplex },
  ): Promise<void> {
    webSocket.on("error", () => undefined); // ws closes by itself; without a listener the process would end
    const { handler, key, keys, clock, logger, cpId, replica } = this.#parts;
    const onAnswered = this.#unproven.add(address, peerId, () => webSocket.terminate());
    const nonce = keys.secret();
    webSocket.send(JSON.stringify({ type: "challenge", nonce }));
    const data = await firstMessage(webSocket, clock);
    onAnswered();
    if (data === undefined) return;
    const proof = parseMessage(peerProof, data);
    if (!proof)
      return refuse(webSocket, CLOSE.INVALID_MESSAGE, "the first message was not the answer to the challenge");
    const about = { cpId, from: peerId, to: replica };
    try {
      const publicKey = await handler.publicKeyOf(peerId);
      const text = peerProofText({ side: "dials", ...about, nonce });
      if (publicKey === undefined || !keys.verify(publicKey, text, proof.signature))
        return refuse(webSocket, CLOSE.BAD_PROOF, "the signature or the identity does not hold");
    } catch (error) {
      logger.debug({ error: messageOf(error) }, "another control plane could not be identified");
      return refuse(webSocket, CLOSE.CAPACITY, "PostgreSQL does not answer");
    }
    if (webSocket.readyState !== webSocket.OPEN) return;
    this.#channels.get(peerId)?.close(CLOSE.NEWER_SESSION, "the control plane has dialled again");
    const channel = new WebSocketPeerResponder(webSocket, { below, clock });
    this.#channels.set(peerId, channel);
    webSocket.once("close", () => {
      if (this.#channels.get(peerId) === channel) this.#channels.delete(peerId);
    });
    const signature = key.sign(peerProofText({ side: "answers", ...about, nonce: proof.nonce }));
    webSocket.send(JSON.stringify({ type: "attached", signature }));
    channel.listen(handler);
  }
}
