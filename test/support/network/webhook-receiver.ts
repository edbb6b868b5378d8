import { createServer, type Server } from "node:http";

export interface Received {
  readonly idempotencyKey: string;
  readonly key: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** Where a webhook sends: keeps what arrives, in its order, and answers as it is told. */
export class WebhookReceiver {
  /** Each time that a result came, also again. */
  readonly received: Received[] = [];
  /** The status of the next answers. */
  status = 204;
  /** `Retry-After` of the next answers. */
  retryAfter: string | undefined;
  /** Of one result; undefined: `status`. */
  statusOf: (body: string) => number | undefined = () => undefined;
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}/results`;
  }

  /** Ids of what came, each once. */
  get keys(): readonly string[] {
    return [...new Set(this.received.map(({ idempotencyKey }) => idempotencyKey))];
  }

  /** Again at the same port after `stop`. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        const header = (name: string): string | undefined => {
          const value = request.headers[name];
          return typeof value === "string" ? value : undefined;
        };
        const status = this.statusOf(Buffer.concat(pieces).toString()) ?? this.status;
        if (status < 300)
          this.received.push({
            idempotencyKey: header("idempotency-key") ?? "",
            key: header("skerry-stream"),
            authorization: header("authorization"),
            body: JSON.parse(Buffer.concat(pieces).toString()),
          });
        response.writeHead(status, this.retryAfter === undefined ? {} : { "Retry-After": this.retryAfter }).end();
      });
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    const address = server.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }
}
