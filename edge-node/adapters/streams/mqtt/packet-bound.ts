import { Transform, type TransformCallback } from "node:stream";

/** Bytes of a packet's head: a byte of type and flags, and a length of one to four bytes. */
const MAX_HEAD = 5;
const PUBLISH = 3;

/** Why a connection ends: the other side announces what is not gathered. */
class PacketTooLarge extends Error {
  /** The client of `mqtt` shows errors of a stream that have one. */
  readonly code = "PACKET_TOO_LARGE";
}

interface Bound {
  /** Most bytes of a packet after its head. */
  readonly maxBytes: number;
  /** Cuts a message that is longer; false: it is an error. */
  readonly cutsMessages: boolean;
}

/**
 * What a broker sends, with packets of at most `maxBytes` after their heads. The client gathers whatever length a packet
 * announces, 256 MiB at most, before it looks at it, and a broker of MQTT 3.1.1 cannot be told a bound. So the length is looked
 * at here, before anything is gathered. A PUBLISH that is longer is cut where `cutsMessages` says so: it goes on as one of
 * `maxBytes`, and the rest is discarded as it comes, so that its receiver sees the topic, refuses the message as too large and
 * acknowledges it. If the connection ended instead, the broker would send the same message at each new one. Any other packet
 * that is longer, and a length of more than four bytes, is the error `PacketTooLarge`.
 */
export class PacketBound extends Transform {
  readonly #bound: Bound;
  #head: number[] = [];
  /** Of the packet under way: bytes that still go on, and those behind them that do not. */
  #passing = 0;
  #discarding = 0;

  constructor(bound: Bound) {
    super();
    this.#bound = bound;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      for (let at = 0; at < chunk.length;) at = this.#take(chunk, at);
      done();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The place of the next byte that is not dealt with. */
  #take(chunk: Buffer, at: number): number {
    if (this.#passing > 0) {
      const end = Math.min(chunk.length, at + this.#passing);
      this.#passing -= end - at;
      this.push(chunk.subarray(at, end));
      return end;
    }
    if (this.#discarding > 0) {
      const end = Math.min(chunk.length, at + this.#discarding);
      this.#discarding -= end - at;
      return end;
    }
    const byte = chunk[at] ?? 0;
    this.#head.push(byte);
    if (this.#head.length > 1 && byte < 128) this.#begin(lengthIn(this.#head));
    else if (this.#head.length === MAX_HEAD)
      throw new PacketTooLarge("the broker sends a packet whose length has more than four bytes");
    return at + 1;
  }

  #begin(length: number): void {
    const [first = 0] = this.#head;
    this.#head = [];
    const { maxBytes, cutsMessages } = this.#bound;
    if (length > maxBytes && !(cutsMessages && first >> 4 === PUBLISH))
      throw new PacketTooLarge(`the broker sends a packet of ${length} bytes, of at most ${maxBytes}`);
    this.#passing = Math.min(length, maxBytes);
    this.#discarding = length - this.#passing;
    this.push(Buffer.from([first, ...encoded(this.#passing)]));
  }
}

/** The length in a head: seven bits a byte, the lowest first. */
const lengthIn = ([, ...bytes]: readonly number[]): number =>
  bytes.reduce((sum, byte, index) => sum + (byte & 127) * 128 ** index, 0);

function encoded(length: number): readonly number[] {
  const bytes: number[] = [];
  let left = length;
  do {
    bytes.push((left & 127) | (left > 127 ? 128 : 0));
    left >>= 7;
  } while (left > 0);
  return bytes;
}
