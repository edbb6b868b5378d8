import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Clock } from "../../../../shared/base/clock.ts";
import type { CertificateSource } from "../../../../shared/base/network/server-certificate.ts";
import { dropRest, serverOptions } from "../../../../shared/inference/http/server-options.ts";
import { AddressConnections } from "./address-connections.ts";
import { EarlyRequests, type Handler, type UpgradeHandler } from "./early-requests.ts";
import type { ReachedLimit } from "../../../ports/metrics.ts";
import type { Limits } from "./limits.ts";

/** A caller that has not shaken hands by then holds a socket for nothing, in ms. */
const TLS_HANDSHAKE_MS = 10_000;

interface ParseError extends Error {
  readonly code?: string;
}
type RefusedBy = Extract<ReachedLimit, "connections" | "head-size" | "arrival-time">;

/**
 * The one server of a control plane: REST, inference and, through `upgrade` events, the nodes' sockets. It may listen
 * before it serves, so that a start refuses no connection: what arrives until `serve` waits. With `certificates` it
 * speaks TLS and nothing else; one that changes is shown to the next connection.
 */
export class HttpServer {
  readonly server: Server | TlsServer;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #stopping = new AbortController();
  readonly #early: EarlyRequests;
  /** A count, not a `Set` of answers: see ChurnMap. */
  #running = 0;
  #isLeaving = false;
  #onIdle: () => void = () => undefined;
  #onRefused: (limit: RefusedBy) => void = () => undefined;
  readonly #addresses: AddressConnections;

  constructor({ clock, limits, certificates }: { clock: Clock; limits: Limits; certificates?: CertificateSource }) {
    this.#clock = clock;
    this.#limits = limits;
    this.#addresses = new AddressConnections(limits.connectionsPerAddress);
    this.#early = new EarlyRequests(clock);
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => this.#answer(request, response);
    const options = serverOptions(limits);
    this.server = certificates ? createSecure(options, certificates, onRequest) : createServer(options, onRequest);
    this.server.maxConnections = limits.connections;
    this.server.on("connection", (socket: Socket) => this.#onConnection(socket));
    this.server.on("upgrade", this.#early.onUpgrade);
    // Node has closed it already: there are as many as the whole server takes.
    this.server.on("drop", () => this.#onRefused("connections"));
    this.server.on("clientError", (error: ParseError, socket: Socket) => {
      const limit = limitOf(error.code);
      if (limit !== undefined && socket.writable) this.#onRefused(limit);
      refuseMalformed(error, socket);
    });
  }

  /** Called for each connection that is ended because there are too many, or because of what came on it. */
  set onRefused(listener: (limit: RefusedBy) => void) {
    this.#onRefused = listener;
  }

  /** Aborted when the server begins to stop, so that endless answers end. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Hands over what has waited, and from now on everything at once. */
  serve(handle: Handler, upgrade: UpgradeHandler): void {
    this.#early.release(handle, upgrade);
  }

  /** Resolves with the port, which is the system's choice for `port` 0. Rejects when it is taken. */
  listen({ host, port }: { host: string; port: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen({ host, port }, () => {
        this.server.off("error", reject);
        resolve(portOf(this.server.address()));
      });
    });
  }

  /**
   * Serves on, and ends each connection with its next answer: callers come back by new connections, which a load balancer
   * sends elsewhere. A connection that is closed between two requests may lose the one that is just being sent.
   */
  leave(): void {
    this.#isLeaving = true;
  }

  /**
   * Accepts nothing more, lets running requests end (25 s at most) and closes their connections. Sockets of nodes stay:
   * the requests that run need them.
   */
  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.server.listening) this.server.close();
    this.server.closeIdleConnections();
    if (this.#running > 0) await this.#idle();
    this.server.closeAllConnections();
  }

  /** Without an answer: the request has not come yet, and under TLS there is nothing yet to answer in. */
  #onConnection(socket: Socket): void {
    if (this.#addresses.add(socket)) return;
    socket.destroy();
    this.#onRefused("connections");
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#running += 1;
    if (this.#isLeaving || this.#stopping.signal.aborted) response.setHeader("Connection", "close");
    response.on("close", () => {
      if (response.writableFinished) dropRest(request, { clock: this.#clock, lingerMs: this.#limits.lingerMs });
      this.#running -= 1;
      if (this.#running === 0) this.#onIdle();
    });
    response.on("error", () => undefined); // "close" reports a caller that goes away
    this.#early.onRequest(request, response);
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(this.#limits.drainMs, resolve);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
    });
  }
}

function createSecure(
  options: ReturnType<typeof serverOptions>,
  certificates: CertificateSource,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): TlsServer {
  const common = { minVersion: "TLSv1.2", handshakeTimeout: TLS_HANDSHAKE_MS, ALPNProtocols: ["http/1.1"] } as const;
  const server = createTlsServer({ ...options, ...common, ...certificates.current }, onRequest);
  certificates.onChange(({ cert, key }) => server.setSecureContext({ minVersion: common.minVersion, cert, key }));
  server.on("tlsClientError", (_error, socket) => socket.destroy()); // what is no TLS gets no answer
  return server;
}

/** Node's own answers, with the connection closed: what cannot be parsed has no request to answer in a better form. */
function refuseMalformed(error: ParseError, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  const status = statusOfParseError(error.code);
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

function statusOfParseError(code: string | undefined): string {
  const limit = limitOf(code);
  if (limit === undefined) return "400 Bad Request";
  return limit === "head-size" ? "431 Request Header Fields Too Large" : "408 Request Timeout";
}

function limitOf(code: string | undefined): "head-size" | "arrival-time" | undefined {
  if (code === "HPE_HEADER_OVERFLOW") return "head-size";
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? "arrival-time" : undefined;
}

const portOf = (address: AddressInfo | string | null): number =>
  typeof address === "object" && address ? address.port : 0;
