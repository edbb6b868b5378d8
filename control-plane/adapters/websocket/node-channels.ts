import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { callerAddress } from "../../../shared/base/network/caller-address.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import {
  CHANNELS,
  channelPath,
  MAX_MESSAGE_BYTES,
  MAX_TRANSFER_MESSAGE_BYTES,
  SUBPROTOCOL,
  type Channel,
} from "../../../shared/protocol/limits.ts";
import { HOP_HEADER, REPLICA_HEADER } from "../../../shared/protocol/peers.ts";
import type { NodeIdentityRow } from "../../ports/nodes/nodes.ts";
import { countedSocket } from "./counted-socket.ts";
import { authenticate, type NodeChannelsOptions } from "./handshake/handshake.ts";
import { DialPlaces } from "./handshake/dial-places.ts";
import { HandshakeQueue } from "./handshake/handshake-queue.ts";
import { refuseUpgrade } from "./refuse-upgrade.ts";
import { UnprovenSockets } from "./handshake/unproven-sockets.ts";
import { UpgradePipe } from "./upgrade-pipe.ts";

interface Identified {
  readonly nodeId: string;
  readonly identity: NodeIdentityRow;
}

/**
 * Takes the nodes' three channels off an http server's upgrade requests. What can be refused is refused before the
 * upgrade, in plain HTTP: 403 a browser, 426 another protocol, 401 an unknown node, 410 a removed one, 503 too many of one address.
 * What one address or node id does in excess is bounded by itself, and waits or goes before anything of another's.
 */
export class NodeChannels {
  readonly #options: NodeChannelsOptions;
  readonly #servers: Record<Channel, WebSocketServer>;
  readonly #queue = new HandshakeQueue();
  readonly #places: DialPlaces;
  readonly #unproven = new UnprovenSockets();
  readonly #pipe: UpgradePipe;

  constructor(options: NodeChannelsOptions) {
    this.#options = options;
    this.#places = new DialPlaces(options.clock);
    this.#pipe = new UpgradePipe(options);
    const counted = countedSocket((reason) => options.onEnded?.(reason));
    const small = socketServer({ maxPayload: MAX_MESSAGE_BYTES, maxBufferedChunks: 1_024, WebSocket: counted });
    const large = socketServer({
      maxPayload: MAX_TRANSFER_MESSAGE_BYTES,
      maxBufferedChunks: 16_384,
      WebSocket: counted,
    });
    this.#servers = { control: small, inference: small, transfer: large };
  }

  /** Takes a request of `Upgrade: websocket` with its socket, and what came behind it. */
  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on("error", () => socket.destroy());
    this.#upgrade(request, socket, head);
  };

  /** Ends every socket that is still open, at once. */
  terminateAll(): void {
    for (const server of Object.values(this.#servers)) for (const client of server.clients) client.terminate();
    this.#pipe.terminateAll();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const path = (request.url ?? "").split("?", 1)[0];
    const channel = CHANNELS.find((each) => channelPath(each) === path);
    if (!channel) return refuseUpgrade(socket, "404 Not Found");
    if (request.headers.origin !== undefined) return refuseUpgrade(socket, "403 Forbidden");
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
    if (!offered.includes(SUBPROTOCOL))
      return refuseUpgrade(socket, "426 Upgrade Required", `Sec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n`);
    const { peer, address } = this.#arrivalOf(request);
    const origin = address === peer ? `${address}:${request.socket.remotePort ?? 0}` : address;
    const open = async (node: Identified): Promise<void> => {
      const webSocket = await this.#accept(channel, { request, socket, head });
      if (webSocket) void this.#authenticate(webSocket, { address, origin, channel, socket, ...node });
    };
    const present = channel === "control" ? undefined : this.#inSession(request);
    if (present) return void open(present);
    const holder = channel === "control" ? undefined : this.#holderOf(request);
    if (holder !== undefined) return void this.#passOn(request, socket, head, holder);
    const nodeId = request.headers["skerry-node-id"]?.toString() ?? "";
    const work = async (): Promise<void> => {
      if (hasGone(socket)) return void socket.destroy(); // it has waited for too long
      this.#places.served(address, nodeId);
      const identity = await this.#identify(request);
      if (identity === "unavailable") return refuseUpgrade(socket, "503 Service Unavailable", "Retry-After: 2\r\n");
      if (identity === "removed") return refuseUpgrade(socket, "410 Gone");
      if (!identity) return refuseUpgrade(socket, "401 Unauthorized");
      await open(identity);
    };
    if (!this.#queue.add(address, work, this.#places.take(address, nodeId)))
      refuseUpgrade(socket, "503 Service Unavailable", "Retry-After: 1\r\n");
  }

  /** Waits for the node's answer without holding a turn. */
  async #authenticate(
    webSocket: WebSocket,
    from: Identified & { address: string; origin: string; channel: Channel; socket: Duplex },
  ): Promise<void> {
    const { address, nodeId } = from;
    const onAnswered = this.#unproven.add(address, nodeId, () => {
      webSocket.close(CLOSE.CAPACITY, "too many sockets that do not answer");
      webSocket.terminate();
    });
    await authenticate(webSocket, {
      ...from,
      ...this.#options,
      onAnswered,
      inTurn: (work) => this.#queue.run(address, work),
    });
  }

  #arrivalOf({ socket, headers }: IncomingMessage): { readonly peer: string; readonly address: string } {
    const peer = socket.remoteAddress ?? "unknown";
    const forwardedFor = headers["x-forwarded-for"]?.toString();
    return { peer, address: callerAddress({ peer, forwardedFor, trustedProxies: this.#options.trustedProxies }) };
  }

  /** A node that has its session here opens its other channels at once: they ask PostgreSQL nothing, so they wait for no turn. */
  #inSession({ headers }: IncomingMessage): Identified | undefined {
    const nodeId = headers["skerry-node-id"];
    if (typeof nodeId !== "string") return undefined;
    const identity = this.#options.sessions.identityInSession(nodeId);
    return identity && { nodeId, identity };
  }

  /** The control plane that holds the session of the channel's node, when it is another one and the channel may be passed on. */
  #holderOf({ headers }: IncomingMessage): string | undefined {
    const holder = headers[REPLICA_HEADER];
    if (typeof holder !== "string" || holder === this.#options.replica || headers[HOP_HEADER] !== undefined)
      return undefined;
    return holder;
  }

  async #passOn(request: IncomingMessage, socket: Duplex, head: Buffer, holder: string): Promise<void> {
    const nodeId = request.headers["skerry-node-id"]?.toString() ?? "";
    const url = await this.#options.urlOfHolder(nodeId, holder).catch(() => undefined);
    if (url === undefined) return refuseUpgrade(socket, "503 Service Unavailable", "Retry-After: 1\r\n");
    this.#pipe.pass(request, socket, head, url);
  }

  async #identify(request: IncomingMessage): Promise<Identified | "unavailable" | "removed" | null> {
    const nodeId = request.headers["skerry-node-id"];
    if (typeof nodeId !== "string") return null;
    try {
      const identity = await this.#options.sessions.identity(nodeId);
      if (identity?.revoked) return "removed";
      return identity && { nodeId, identity };
    } catch (error) {
      this.#options.logger.debug({ error: messageOf(error) }, "a node could not be identified");
      return "unavailable";
    }
  }

  /** Undefined when the other side has gone, or sent what is no WebSocket: ws calls back for neither, it closes the socket. */
  #accept(
    channel: Channel,
    { request, socket, head }: { request: IncomingMessage; socket: Duplex; head: Buffer },
  ): Promise<WebSocket | undefined> {
    return new Promise((resolve) => {
      const onClose = (): void => resolve(undefined);
      socket.once("close", onClose);
      if (socket.destroyed) return onClose(); // no event follows
      this.#servers[channel].handleUpgrade(request, socket, head, (webSocket) => {
        socket.off("close", onClose);
        resolve(webSocket);
      });
    });
  }
}

/** The other side has closed, or ended what it sends: it does not wait for an answer any more. */
const hasGone = ({ readable, writable }: Duplex): boolean => !readable || !writable;

/** Limits are set explicitly: ws's own default is 100 MiB a message, and 0 would mean none. */
const socketServer = (options: {
  readonly maxPayload: number;
  readonly maxBufferedChunks: number;
  readonly WebSocket: typeof WebSocket;
}): WebSocketServer =>
  new WebSocketServer({
    noServer: true,
    ...options,
    maxFragments: 64,
    allowSynchronousEvents: true, // `releaseSpentChunks` counts on it
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  });
