import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";

/** A forward proxy on loopback for CONNECT alone, which reaches every name at 127.0.0.1. */
export class ConnectProxy {
  /** What was asked for, `host:port` each. */
  readonly asked: string[] = [];
  readonly #server: Server;

  /** `credentials`: `name:password`; who sends others is refused with 407. */
  constructor(credentials: string) {
    const expected = `Basic ${Buffer.from(credentials).toString("base64")}`;
    this.#server = createServer((_request, response) => response.writeHead(405).end());
    this.#server.on("connect", ({ url = "", headers }, socket) => {
      this.asked.push(url);
      socket.on("error", () => undefined);
      if (headers["proxy-authorization"] !== expected) {
        socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      const onward = connect(Number(url.split(":").at(-1)), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      onward.on("error", () => socket.destroy());
      onward.on("close", () => socket.destroy());
      socket.on("close", () => onward.destroy());
    });
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
