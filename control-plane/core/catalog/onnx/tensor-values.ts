import type { ByteSource } from "../byte-source.ts";
import { datatypeOf, type Datatype } from "./datatypes.ts";
import { readTensor } from "./tensor.ts";
import { WireReader } from "./wire-reader.ts";

const FIELD = {
  dataType: 2,
  floats: 4,
  int32s: 5,
  strings: 6,
  int64s: 7,
  rawData: 9,
  doubles: 10,
  uint64s: 11,
  external: 13,
} as const;

/** A small tensor as the Open Inference Protocol's binary form has it: little-endian, a text with its length before it. */
export interface TensorValues {
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  /** Of a short list of whole numbers, its values. */
  readonly integers: readonly number[] | undefined;
}

/** Reads the TensorProto that is all of `source`. `why`: what keeps it from being read, as the end of a sentence. */
export function tensorValues(source: ByteSource, maxBytes: number): TensorValues | { readonly why: string } {
  const reader = new WireReader(source);
  const values = new Values(maxBytes);
  let type: Datatype | undefined;
  while (reader.next(source.size)) {
    if (reader.field === FIELD.external) return { why: "lies in another file" };
    if (reader.field === FIELD.dataType) type = datatypeOf(reader.integer("a tensor's datatype"));
    else values.read(reader);
    if (values.isFull) return { why: `has more than ${maxBytes} bytes` };
    if (values.isInexact) return { why: "has whole numbers beyond 2^53" };
  }
  if (type?.oip === undefined || type.oip === "BF16") return { why: "has a datatype that no input can have" };
  const bytes = values.as(type);
  // Of what fits, the shape is held against the bytes.
  const { dims, integers } = readTensor(new WireReader(source), source.size);
  return { datatype: type.oip, shape: dims, bytes, integers };
}

/** The numbers of a tensor, wherever it has them. */
class Values {
  readonly #maxBytes: number;
  readonly #numbers: number[] = [];
  readonly #texts: Uint8Array[] = [];
  #raw: Uint8Array | undefined;
  #bytes = 0;
  /** A whole number was met that the reader cannot tell exactly. */
  isInexact = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#bytes > this.#maxBytes;
  }

  read(reader: WireReader): void {
    switch (reader.field) {
      case FIELD.rawData: {
        const { length, bytes } = reader.smallBytes("a tensor's raw_data", this.#maxBytes);
        this.#bytes += length;
        this.#raw = bytes;
        break;
      }
      case FIELD.floats:
        return reader.floats("a tensor's float_data", 4, (value) => this.#add(value, 4));
      case FIELD.doubles:
        return reader.floats("a tensor's double_data", 8, (value) => this.#add(value, 8));
      case FIELD.int32s:
      case FIELD.int64s:
      case FIELD.uint64s:
        return reader.integers("a tensor's numbers", (value) => {
          this.isInexact ||= !Number.isSafeInteger(value);
          this.#add(value, 1);
        });
      case FIELD.strings: {
        const { length, bytes } = reader.smallBytes("a tensor's string", this.#maxBytes);
        this.#bytes += 4 + length;
        if (bytes && !this.isFull) this.#texts.push(lengthOf(bytes), bytes);
        break;
      }
      default:
        reader.skip();
    }
  }

  #add(value: number, bytes: number): void {
    this.#bytes += bytes;
    if (!this.isFull) this.#numbers.push(value);
  }

  as({ store, bits = 8 }: Datatype): Uint8Array {
    if (this.#raw) return this.#raw;
    if (store === "string_data") return joined(this.#texts);
    const width = bits / 8;
    const view = new DataView(new ArrayBuffer(this.#numbers.length * width));
    for (const [i, value] of this.#numbers.entries()) {
      if (store === "float_data") view.setFloat32(i * 4, value, true);
      else if (store === "double_data") view.setFloat64(i * 8, value, true);
      else if (width === 8) view.setBigInt64(i * 8, BigInt.asIntN(64, BigInt(value)), true);
      else if (width === 4) view.setInt32(i * 4, value, true);
      else if (width === 2) view.setInt16(i * 2, value, true);
      else view.setInt8(i, value);
    }
    return new Uint8Array(view.buffer);
  }
}

function lengthOf({ length }: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, length, true);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
