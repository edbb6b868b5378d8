import type { ByteSource } from "../byte-source.ts";
import { MAX_FIELDS, MAX_STRING_BYTES } from "./limits.ts";
import { InspectionRefused } from "../inspection-refused.ts";

/** How a field's value is written. Groups (3 and 4) went out of use before ONNX began. */
export const WIRE = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 } as const;

const WINDOW_BYTES = 64 * 1024;
const MAX_VARINT_BYTES = 10;
/** A field's number, at most 2^29 − 1, and its kind in the low three bits. */
const MAX_KEY = 2 ** 32 - 1;

/**
 * Reads protobuf's wire format field by field, forwards, through a window of 64 KiB. It knows nothing of ONNX.
 *
 *     const end = reader.enter("graph");
 *     while (reader.next(end)) { if (reader.field === 1) … else reader.skip(); }
 *
 * After each `next` the caller must take the value with exactly one of the other methods. Where protobuf's own parsers
 * are lenient (overlong tags, groups), this one refuses: what it accepts must mean the same to the runtime.
 */
export class WireReader {
  readonly #source: ByteSource;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  #position = 0;
  /** Where the message ends whose field was read last: no value reaches beyond. */
  #end: number;
  #fieldsLeft = MAX_FIELDS;
  #field = 0;
  #wire = 0;

  constructor(source: ByteSource) {
    this.#source = source;
    this.#end = source.size;
  }

  /** Where the next byte is read, counted from the file's beginning. */
  get position(): number {
    return this.#position;
  }

  /** Number of the field whose key `next` read. */
  get field(): number {
    return this.#field;
  }

  /** One of `WIRE`. */
  get wire(): number {
    return this.#wire;
  }

  /** Reads the next field's key in the message that ends at `end`. False at its end. */
  next(end: number): boolean {
    this.#end = end;
    if (this.#position === end) return false;
    if ((this.#fieldsLeft -= 1) < 0) throw new InspectionRefused(`the file has more than ${MAX_FIELDS} fields`);
    const at = this.#position;
    const key = this.#varint();
    if (key < 8 || key > MAX_KEY) throw this.#damaged(at, `there is no field ${Math.floor(key / 8)}`);
    this.#field = key >>> 3;
    this.#wire = key & 7;
    const known =
      this.#wire === WIRE.VARINT ||
      this.#wire === WIRE.FIXED64 ||
      this.#wire === WIRE.BYTES ||
      this.#wire === WIRE.FIXED32;
    if (!known) throw this.#damaged(at, `a field of the unknown kind ${this.#wire}`);
    return true;
  }

  /** An integer; exact up to 2^53, signed as int64 is. `what` names the field in the refusal. */
  integer(what: string): number {
    this.#expect(WIRE.VARINT, what);
    return this.#varint();
  }

  /** Steps into a length-delimited value and returns where it ends. */
  enter(what: string): number {
    this.#expect(WIRE.BYTES, what);
    return this.#enter(what);
  }

  /** The bytes of a length-delimited value that is not looked at. Returns their number. */
  skipBytes(what: string): number {
    const end = this.enter(what);
    const length = end - this.#position;
    this.#position = end;
    return length;
  }

  /** A string; undefined when it is not UTF-8. */
  label(what: string): string | undefined {
    const end = this.enter(what);
    const start = this.#position;
    const length = end - start;
    if (length > MAX_STRING_BYTES) throw tooLong(what, length, MAX_STRING_BYTES);
    this.#position = end;
    try {
      return this.#utf8.decode(this.#bytes(start, length));
    } catch {
      return undefined;
    }
  }

  /** A copy of a length-delimited value when it has at most `maxBytes`; a longer one is passed over. Returns its length, too. */
  smallBytes(what: string, maxBytes: number): { readonly length: number; readonly bytes: Uint8Array | undefined } {
    const end = this.enter(what);
    const start = this.#position;
    const length = end - start;
    this.#position = end;
    return { length, bytes: length <= maxBytes ? this.#bytes(start, length).slice() : undefined };
  }

  /** As `skipBytes`, for a string, which has a limit. */
  skipText(what: string): void {
    const length = this.skipBytes(what);
    if (length > MAX_STRING_BYTES) throw tooLong(what, length, MAX_STRING_BYTES);
  }

  /** A string of at most `maxBytes`. */
  text(what: string, maxBytes: number = MAX_STRING_BYTES): string {
    const end = this.enter(what);
    const start = this.#position;
    const length = end - start;
    if (length > maxBytes) throw tooLong(what, length, maxBytes);
    this.#position = end;
    const bytes = this.#bytes(start, length);
    try {
      return this.#utf8.decode(bytes);
    } catch {
      throw this.#damaged(start, `${what} is not UTF-8`);
    }
  }

  /** The numbers of a repeated integer field, which may stand alone or packed. */
  integers(what: string, onEach: (value: number) => void): void {
    if (this.#wire === WIRE.VARINT) return onEach(this.#varint());
    const end = this.enter(what);
    this.#end = end;
    while (this.#position < end) onEach(this.#varint());
  }

  /** The numbers of a repeated field of floats (`width` 4) or doubles (8), which may stand alone or packed. */
  floats(what: string, width: 4 | 8, onEach: (value: number) => void): void {
    const isPacked = this.#wire === WIRE.BYTES;
    const start = this.#position;
    const end = isPacked ? this.enter(what) : start + width;
    if (!isPacked) this.#expect(width === 4 ? WIRE.FIXED32 : WIRE.FIXED64, what);
    const length = end - this.#position;
    if (length % width !== 0)
      throw this.#damaged(start, `${what} holds ${length} bytes, which is no multiple of ${width}`);
    for (; this.#position < end;) {
      const bytes = this.#bytes(this.#position, width);
      const view = new DataView(bytes.buffer, bytes.byteOffset, width);
      this.#advance(width);
      onEach(width === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true));
    }
  }

  /** How many numbers this field adds to a repeated one, without looking at them. */
  countNumbers(what: string, kind: typeof WIRE.VARINT | typeof WIRE.FIXED32 | typeof WIRE.FIXED64): number {
    if (this.#wire === kind) {
      this.skip();
      return 1;
    }
    const start = this.#position;
    const end = this.enter(what);
    if (kind === WIRE.VARINT) return this.#countVarints(end);
    const width = kind === WIRE.FIXED32 ? 4 : 8;
    const length = end - this.#position;
    if (length % width !== 0)
      throw this.#damaged(start, `${what} holds ${length} bytes, which is no multiple of ${width}`);
    this.#position = end;
    return length / width;
  }

  /** Passes over the value, whatever it is. */
  skip(): void {
    if (this.#wire === WIRE.VARINT) this.#varint();
    else if (this.#wire === WIRE.BYTES) this.#position = this.#enter(`field ${this.#field}`);
    else this.#advance(this.#wire === WIRE.FIXED64 ? 8 : 4);
  }

  #expect(wire: number, what: string): void {
    if (this.#wire !== wire)
      throw this.#damaged(this.#position, `${what} is written as kind ${this.#wire} instead of ${wire}`);
  }

  #enter(what: string): number {
    const at = this.#position;
    const length = this.#varint();
    const left = this.#end - this.#position;
    if (length < 0 || length > left) throw this.#damaged(at, `${what} claims ${length} bytes where ${left} are left`);
    return this.#position + length;
  }

  #advance(length: number): void {
    const left = this.#end - this.#position;
    if (length > left)
      throw this.#damaged(this.#position, `field ${this.#field} needs ${length} bytes where ${left} are left`);
    this.#position += length;
  }

  #varint(): number {
    const at = this.#position;
    let low = 0;
    let high = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index += 1) {
      const byte = this.#byte(at);
      const bits = byte & 0x7f;
      if (index < 4) low |= bits << (7 * index);
      else if (index === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (7 * index - 32);
      if (byte < 0x80) return high === 0 ? low >>> 0 : high * 2 ** 32 + (low >>> 0);
    }
    throw this.#damaged(at, `a number of more than ${MAX_VARINT_BYTES} bytes`);
  }

  #countVarints(end: number): number {
    let count = 0;
    let last = 0;
    while (this.#position < end) {
      const bytes = this.#bytes(this.#position, Math.min(WINDOW_BYTES, end - this.#position));
      for (const byte of bytes) if (byte < 0x80) count += 1;
      last = bytes[bytes.length - 1] ?? 0;
      this.#position += bytes.length;
    }
    if (last >= 0x80) throw this.#damaged(end - 1, "a number is cut off");
    return count;
  }

  #byte(startedAt: number): number {
    if (this.#position >= this.#end) throw this.#damaged(startedAt, "a number is cut off");
    let index = this.#position - this.#windowStart;
    if (index < 0 || index >= this.#window.length) {
      this.#windowStart = this.#position;
      this.#window = this.#source.read(this.#position, Math.min(WINDOW_BYTES, this.#source.size - this.#position));
      index = 0;
    }
    this.#position += 1;
    return this.#window[index] ?? 0;
  }

  /** Bytes that need not be in the window. They are gone with the next read, and so is the window. */
  #bytes(start: number, length: number): Uint8Array {
    const index = start - this.#windowStart;
    if (index >= 0 && index + length <= this.#window.length) return this.#window.subarray(index, index + length);
    this.#window = this.#source.read(start, length);
    this.#windowStart = start;
    return this.#window;
  }

  #damaged(at: number, what: string): InspectionRefused {
    return new InspectionRefused(`not a whole ONNX file: at byte ${at} of ${this.#source.size}, ${what}`);
  }
}

const tooLong = (what: string, length: number, limit: number): InspectionRefused =>
  new InspectionRefused(`${what} is ${length} bytes long; at most ${limit} are allowed`);
