import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

const CONNECT = 1;
const SUBSCRIBE = 8;
const CONNACK = Buffer.from([0x20, 2, 0, 0]);

/** A broker that takes every connection and answers a subscription with `answer`, whatever that is. */
export class AnnouncingBroker {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  /** Connections that the other side has ended. */
  ended = 0;

  constructor(answer: Buffer) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.ended += 1;
      });
      socket.on("data", ([first = 0]) => {
        if (first >> 4 === CONNECT) socket.write(CONNACK);
        if (first >> 4 === SUBSCRIBE) socket.write(answer);
      });
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    return `mqtt://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
