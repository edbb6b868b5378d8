import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** What a proxy does with the connections that a fault is meant for. `up`: from the dialler to the target. */
export interface LinkFault {
  /** Bytes of these directions stop, and so do FIN and RST: each end sees a peer that is silent, not one that is gone. */
  readonly blackhole?: "both" | "up" | "down";
  /** Every byte arrives so much later, in ms, in either direction. */
  readonly delayMs?: number;
}

/** Of all connections since the start, in bytes that went through. */
export interface ProxyCounters {
  accepted: number;
  open: number;
  bytesUp: number;
  bytesDown: number;
}

/** `link`: the same object for each connection. */
type OnBytes = (link: object, direction: "up" | "down", bytes: Buffer) => void;

/** As much of a connection's first bytes as a fault may be matched against: the head of an HTTP request. */
const HEAD_BYTES = 4_096;

/**
 * A TCP proxy on loopback whose links can be broken while they stand. Stopped bytes are not thrown away: they wait in
 * the kernel as packets of a broken link wait to be sent again, so a link that heals goes on where it stood.
 */
export class TcpProxy {
  readonly counters: ProxyCounters = { accepted: 0, open: 0, bytesUp: 0, bytesDown: 0 };
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #targetPort = 0;
  #fault: LinkFault = {};
  #concerns: (head: string) => boolean = () => false;
  readonly #onBytes: OnBytes;

  private constructor(server: Server, onBytes: OnBytes) {
    this.#server = server;
    this.#onBytes = onBytes;
    server.on("connection", (near) => this.#accept(near));
  }

  /** `onBytes`: sees what comes, before it is passed on. */
  static async start({ onBytes = () => undefined }: { readonly onBytes?: OnBytes } = {}): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new TcpProxy(server, onBytes);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Where connections go from now on. */
  pointAt(port: number): void {
    this.#targetPort = port;
  }

  /**
   * Breaks the connections whose first bytes hold all of `words` (none: every connection), those that stand and those
   * to come. Takes the place of an earlier fault.
   */
  break(fault: LinkFault, ...words: readonly string[]): void {
    this.#fault = fault;
    this.#concerns = (head) => words.every((word) => head.includes(word));
    this.#apply();
  }

  /** As `break`, for the connections whose first bytes hold one of `words`. */
  breakAny(fault: LinkFault, words: readonly string[]): void {
    this.#fault = fault;
    this.#concerns = (head) => words.some((word) => head.includes(word));
    this.#apply();
  }

  /** All links work again. */
  heal(): void {
    this.#concerns = () => false;
    this.#apply();
  }

  /** Resets the connections whose first bytes hold all of `words`. */
  cut(...words: readonly string[]): void {
    for (const link of this.#links) if (words.every((word) => link.head.includes(word))) link.reset();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const link of this.#links) link.reset();
    await closed;
  }

  #accept(near: Socket): void {
    const far = connect({ port: this.#targetPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    this.counters.accepted += 1;
    this.counters.open += 1;
    const link = new Link(near, far, {
      counters: this.counters,
      onBytes: (direction, bytes) => this.#onBytes(link, direction, bytes),
      onHead: () => this.#applyTo(link),
      onClosed: () => {
        this.counters.open -= 1;
        this.#links.delete(link);
      },
    });
    this.#links.add(link);
    this.#applyTo(link);
  }

  #apply(): void {
    for (const link of this.#links) this.#applyTo(link);
  }

  #applyTo(link: Link): void {
    link.apply(this.#concerns(link.head) ? this.#fault : {});
  }
}

class Link {
  /** The first bytes that the dialler sent. */
  head = "";
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #up: Direction;
  readonly #down: Direction;
  readonly #onClosed: () => void;
  #open = 2;

  constructor(
    near: Socket,
    far: Socket,
    on: {
      counters: ProxyCounters;
      onBytes: (direction: "up" | "down", bytes: Buffer) => void;
      onHead: () => void;
      onClosed: () => void;
    },
  ) {
    const { counters } = on;
    this.#near = near;
    this.#far = far;
    this.#onClosed = on.onClosed;
    this.#up = new Direction(near, far, (bytes) => (counters.bytesUp += bytes));
    this.#down = new Direction(far, near, (bytes) => (counters.bytesDown += bytes));
    near.on("data", (bytes: Buffer) => {
      if (this.head.length < HEAD_BYTES) {
        this.head += bytes.subarray(0, HEAD_BYTES).toString("latin1");
        on.onHead();
      }
      on.onBytes("up", bytes);
      this.#up.take(bytes);
    });
    far.on("data", (bytes: Buffer) => {
      on.onBytes("down", bytes);
      this.#down.take(bytes);
    });
    for (const socket of [near, far]) socket.on("error", () => undefined).on("close", () => this.#closed());
  }

  apply({ blackhole, delayMs = 0 }: LinkFault): void {
    this.#up.apply({ isHeld: blackhole === "both" || blackhole === "up", delayMs });
    this.#down.apply({ isHeld: blackhole === "both" || blackhole === "down", delayMs });
  }

  reset(): void {
    this.#up.stop();
    this.#down.stop();
    resetSocket(this.#near);
    resetSocket(this.#far);
  }

  #closed(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    this.#up.stop();
    this.#down.stop();
    this.#onClosed();
  }
}

/** While its end is being sent the system refuses a reset, and Node forgets the socket without closing it (v24). */
function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

/** One direction of one connection: bytes, then the end, in order, each no earlier than it is due. */
class Direction {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #count: (bytes: number) => void;
  /** `undefined`: the end of the stream; `reset`: it broke off. */
  readonly #waiting: { readonly bytes: Buffer | "end" | "reset"; readonly dueAt: number }[] = [];
  #isHeld = false;
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, count: (bytes: number) => void) {
    this.#from = from;
    this.#to = to;
    this.#count = count;
    from.on("end", () => this.#push("end"));
    from.on("close", (hadError) => this.#push(hadError ? "reset" : "end"));
    to.on("drain", () => this.#flow());
  }

  take(bytes: Buffer): void {
    this.#push(bytes);
  }

  apply({ isHeld, delayMs }: { readonly isHeld: boolean; readonly delayMs: number }): void {
    this.#isHeld = isHeld;
    this.#delayMs = delayMs;
    if (!isHeld) this.#flush();
    this.#flow();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #push(bytes: Buffer | "end" | "reset"): void {
    this.#waiting.push({ bytes, dueAt: performance.now() + this.#delayMs });
    if (!this.#isHeld) this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isHeld) return;
    const now = performance.now();
    for (let [first] = this.#waiting; first && first.dueAt <= now; [first] = this.#waiting) {
      this.#waiting.shift();
      this.#pass(first.bytes);
    }
    const [next] = this.#waiting;
    if (next) this.#timer = setTimeout(() => this.#flush(), Math.max(1, next.dueAt - now));
    this.#flow();
  }

  #pass(bytes: Buffer | "end" | "reset"): void {
    if (bytes === "reset") resetSocket(this.#to);
    else if (bytes === "end") this.#to.end();
    else {
      this.#count(bytes.byteLength);
      this.#to.write(bytes);
    }
  }

  /** Reads on only while the other side takes it, so that a stopped reader is felt by the sender. */
  #flow(): void {
    if (this.#isHeld || this.#to.writableNeedDrain) this.#from.pause();
    else this.#from.resume();
  }
}
