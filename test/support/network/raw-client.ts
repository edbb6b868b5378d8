import { connect, type Socket } from "node:net";

/** One TCP connection to an HTTP server on which a test writes what no decent client would. */
export class RawClient {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #received = "";
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => (this.#received += bytes.toString("latin1")));
    socket.on("error", () => undefined); // `close` follows, and what came before it is what counts
    this.closed = new Promise((resolve) =>
      socket.once("close", () => {
        this.#isClosed = true;
        resolve();
      }),
    );
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return client;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Everything that came back. */
  get received(): string {
    return this.#received;
  }

  /** Of the first answer; 0 before it came. */
  get status(): number {
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(this.#received)?.[1] ?? 0);
  }

  /** Resolves when the system took it. */
  async send(bytes: string | Uint8Array): Promise<void> {
    if (this.#isClosed || !this.#socket.writable) return;
    await new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()));
  }

  /** Goes away without a word, as a crashed client does. */
  vanish(): void {
    this.#socket.resetAndDestroy();
  }
}

/** The head of a POST, ready for its body. */
export function postHead(path: string, headers: Readonly<Record<string, string | number>>): string {
  const lines = Object.entries({ Host: "127.0.0.1", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}
