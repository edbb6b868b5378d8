import { connect, type Socket } from "node:net";

export interface HttpTarget {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface LoadResult {
  /** Answers with 200. */
  readonly served: number;
  /** Answers with a status of `refusals`: with 429 the worker's queue was full. */
  readonly refused: number;
  /** Served requests a second. */
  readonly perSecond: number;
  /** Of the served requests, in ms, in the order in which the answers came. */
  readonly latencies: readonly number[];
}

const HEADERS_END = Buffer.from("\r\n\r\n");

/**
 * Closed-loop load over kept connections: each sends its next request when the answer to its last is complete. Speaks
 * just enough HTTP/1.1 for answers with a Content-Length, because on two cores a real client would be half of what is
 * measured (a request and its answer cost it 10 µs, those of undici 60 µs).
 */
export async function httpLoad(
  target: HttpTarget,
  options: {
    readonly connections: number;
    readonly requests: number;
    /** Statuses that are counted; another one ends the load. Default: 429. */
    readonly refusals?: readonly number[];
  },
): Promise<LoadResult> {
  const { connections, requests, refusals = [429] } = options;
  const message = requestBytes(target);
  const latencies: number[] = [];
  let left = requests;
  let refused = 0;
  const before = performance.now();
  await Promise.all(
    Array.from({ length: Math.min(connections, requests) }, async () => {
      let connection = await Connection.open(target.port);
      while (left > 0) {
        left -= 1;
        const start = performance.now();
        const status = await connection.exchange(message).catch((error: unknown) => {
          throw new Error(`${target.path} at port ${target.port}`, { cause: error });
        });
        if (status === 200) latencies.push(performance.now() - start);
        else if (refusals.includes(status)) refused += 1;
        else throw new Error(`${target.path} at port ${target.port} answered ${connection.answer}`);
        if (connection.isLast) {
          connection.close();
          connection = await Connection.open(target.port);
        }
      }
      connection.close();
    }),
  );
  const served = latencies.length;
  return { served, refused, perSecond: served / ((performance.now() - before) / 1_000), latencies };
}

function requestBytes({ port, path, headers, body }: HttpTarget): Buffer {
  const lines = Object.entries({ host: `127.0.0.1:${port}`, ...headers, "content-length": String(body.byteLength) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${head}\r\n`), body]);
}

class Connection {
  readonly #socket: Socket;
  #head: Buffer = Buffer.alloc(0);
  #status = 0;
  /** Status line and headers of the last answer. */
  answer = "";
  /** Bytes of the answer that are still to come; undefined while its headers are incomplete. */
  #missing: number | undefined;
  #done: (status: number) => void = () => undefined;
  #broke: (error: Error) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("close", () => this.#broke(new Error("the connection was closed in the middle of an exchange")));
    socket.on("error", (error) => this.#broke(error));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1" });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new Connection(socket)));
    });
  }

  /** Whether the server ends the connection with this answer. */
  get isLast(): boolean {
    return /\r\nconnection: close/i.test(this.answer);
  }

  /** Resolves with the status once the whole answer is there. */
  exchange(message: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#broke = reject;
      this.#socket.write(message);
    });
  }

  close(): void {
    this.#broke = () => undefined;
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    if (this.#missing === undefined) {
      this.#head = this.#head.byteLength === 0 ? bytes : Buffer.concat([this.#head, bytes]);
      const end = this.#head.indexOf(HEADERS_END);
      if (end === -1) return;
      const text = this.#head.toString("latin1", 0, end);
      this.answer = text;
      this.#status = Number(text.slice(9, 12));
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
      this.#missing = length - (this.#head.byteLength - end - HEADERS_END.byteLength);
    } else {
      this.#missing -= bytes.byteLength;
    }
    if (this.#missing > 0) return;
    this.#missing = undefined;
    this.#head = Buffer.alloc(0);
    this.#done(this.#status);
  }
}
