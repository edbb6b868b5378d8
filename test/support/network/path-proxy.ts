import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Sends each connection on loopback where `portOf` says, by the head of its first request: a load balancer for HTTP. */
export class PathProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Where connections go from now on. */
  portOf: (head: string) => number = () => 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (near) => this.#accept(near));
  }

  static async start(): Promise<PathProxy> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new PathProxy(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(near: Socket): void {
    near.once("data", (head: Buffer) => {
      const far = connect({ port: this.portOf(head.toString("latin1")), host: "127.0.0.1", noDelay: true });
      far.write(head);
      near.pipe(far).pipe(near);
      for (const [one, another] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.on("error", () => one.destroy());
        one.on("close", () => {
          this.#sockets.delete(one);
          another.destroy();
        });
      }
    });
  }
}
