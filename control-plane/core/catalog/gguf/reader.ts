import type { ByteSource } from "../byte-source.ts";
import { InspectionRefused } from "../inspection-refused.ts";

const WINDOW_BYTES = 256 * 1024;
/** Names, the chat template and the tokens of a vocabulary; a vocabulary of 262,144 tokens with its merges has 12 MiB. */
const MAX_METADATA_BYTES = 128 * 1024 * 1024;
const MAX_STRING_BYTES = 1_048_576;
const MAX_KEYS = 16_384;

/** The kinds of values, by the number that a file has. */
const KIND = { STRING: 8, ARRAY: 9, BOOL: 7 } as const;
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 4],
  [5, 4],
  [6, 4],
  [7, 1],
  [10, 8],
  [11, 8],
  [12, 8],
]);

/** A value as the reader keeps it: of an array its length, and its numbers where they are few. */
export type GgufValue =
  | string
  | number
  | boolean
  | { readonly length: number; readonly numbers: readonly number[] | undefined };

/** Longest array whose numbers are kept: some models have a figure for each layer. */
const KEPT_NUMBERS = 1_024;

/**
 * Reads the head of a GGUF file forwards, through a window, without believing any of it: every length is compared with
 * what is left of the file, and strings, keys and the whole have bounds. Throws `InspectionRefused`.
 */
export class GgufReader {
  readonly #source: ByteSource;
  readonly #utf8 = new TextDecoder("utf-8");
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  #position = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Where the next byte is read, counted from the file's beginning. */
  get position(): number {
    return this.#position;
  }

  u32(): number {
    return this.#view(4).getUint32(0, true);
  }

  /** Throws `InspectionRefused` for a number that no length can be. */
  u64(): number {
    const value = this.#view(8).getBigUint64(0, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#damaged(`the number ${value}`);
    return Number(value);
  }

  string(): string {
    const length = this.u64();
    if (length > MAX_STRING_BYTES) throw this.#damaged(`a text of ${length} bytes`);
    return this.#utf8.decode(this.#take(length));
  }

  /** Key → value. */
  metadata(count: number): ReadonlyMap<string, GgufValue> {
    if (count > MAX_KEYS) throw new InspectionRefused(`it has ${count} keys of metadata; the limit is ${MAX_KEYS}`);
    const found = new Map<string, GgufValue>();
    for (let i = 0; i < count; i += 1) {
      const key = this.string();
      found.set(key, this.#value(this.u32()));
    }
    return found;
  }

  #value(kind: number): GgufValue {
    if (kind === KIND.STRING) return this.string();
    if (kind === KIND.ARRAY) return this.#array();
    const number = this.#number(kind);
    return kind === KIND.BOOL ? number !== 0 : number;
  }

  #array(): GgufValue {
    const kind = this.u32();
    const length = this.u64();
    if (kind === KIND.STRING) {
      for (let i = 0; i < length; i += 1) this.#skip(this.u64());
      return { length, numbers: undefined };
    }
    const each = FIXED_BYTES.get(kind);
    if (each === undefined) throw this.#damaged(`an array of the kind ${kind}`);
    if (length > KEPT_NUMBERS) {
      this.#skip(length * each);
      return { length, numbers: undefined };
    }
    return { length, numbers: Array.from({ length }, () => this.#number(kind)) };
  }

  #number(kind: number): number {
    const bytes = FIXED_BYTES.get(kind);
    if (bytes === undefined) throw this.#damaged(`a value of the kind ${kind}`);
    const view = this.#view(bytes);
    switch (kind) {
      case 1:
        return view.getInt8(0);
      case 2:
        return view.getUint16(0, true);
      case 3:
        return view.getInt16(0, true);
      case 4:
        return view.getUint32(0, true);
      case 5:
        return view.getInt32(0, true);
      case 6:
        return view.getFloat32(0, true);
      case 10:
        return Number(view.getBigUint64(0, true));
      case 11:
        return Number(view.getBigInt64(0, true));
      case 12:
        return view.getFloat64(0, true);
      default:
        return view.getUint8(0);
    }
  }

  #view(bytes: number): DataView {
    const taken = this.#take(bytes);
    return new DataView(taken.buffer, taken.byteOffset, bytes);
  }

  #take(length: number): Uint8Array {
    this.#bound(length);
    const from = this.#position - this.#windowStart;
    if (from < 0 || from + length > this.#window.length) {
      const size = Math.min(Math.max(WINDOW_BYTES, length), this.#source.size - this.#position);
      this.#window = Uint8Array.from(this.#source.read(this.#position, size));
      this.#windowStart = this.#position;
    }
    const start = this.#position - this.#windowStart;
    this.#position += length;
    return this.#window.subarray(start, start + length);
  }

  #skip(length: number): void {
    this.#bound(length);
    this.#position += length;
  }

  #bound(length: number): void {
    if (length > this.#source.size - this.#position)
      throw this.#damaged(`${length} bytes of which ${this.#source.size - this.#position} are there`);
    if (this.#position + length > MAX_METADATA_BYTES)
      throw new InspectionRefused(`its metadata has more than ${MAX_METADATA_BYTES} bytes`);
  }

  #damaged(what: string): InspectionRefused {
    return new InspectionRefused(`the file is damaged: at byte ${this.#position} it has ${what}`);
  }
}
