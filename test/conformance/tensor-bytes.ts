import type { Blob } from "./case.ts";

type Write = (view: DataView, value: number | bigint) => void;

/** Written for this suite alone: a fault of the server's own encoder must not hide in here. Little-endian, as the protocol says. */
const WRITERS: Readonly<Record<string, { readonly bytes: number; readonly write: Write }>> = {
  BOOL: { bytes: 1, write: (view, value) => view.setUint8(0, Number(value)) },
  INT8: { bytes: 1, write: (view, value) => view.setInt8(0, Number(value)) },
  UINT8: { bytes: 1, write: (view, value) => view.setUint8(0, Number(value)) },
  INT16: { bytes: 2, write: (view, value) => view.setInt16(0, Number(value), true) },
  UINT16: { bytes: 2, write: (view, value) => view.setUint16(0, Number(value), true) },
  INT32: { bytes: 4, write: (view, value) => view.setInt32(0, Number(value), true) },
  UINT32: { bytes: 4, write: (view, value) => view.setUint32(0, Number(value), true) },
  INT64: { bytes: 8, write: (view, value) => view.setBigInt64(0, BigInt(value), true) },
  UINT64: { bytes: 8, write: (view, value) => view.setBigUint64(0, BigInt(value), true) },
  FP16: { bytes: 2, write: (view, value) => view.setFloat16(0, Number(value), true) },
  FP32: { bytes: 4, write: (view, value) => view.setFloat32(0, Number(value), true) },
  FP64: { bytes: 8, write: (view, value) => view.setFloat64(0, Number(value), true) },
};

/** `{FP32: [1, -2.5]}`, `{BYTES: ["hi"]}` or `{hex: "0000803f"}` as bytes. 64-bit integers are written as text. Throws on anything else. */
export function blobBytes(blob: Blob): Buffer {
  const [[kind, values] = ["", []], ...others] = Object.entries(blob);
  if (others.length > 0) throw new Error(`a blob has one key, not ${Object.keys(blob).join(", ")}`);
  if (kind === "hex" && typeof values === "string") return Buffer.from(values.replaceAll(" ", ""), "hex");
  if (typeof values === "string") throw new Error(`the elements of ${kind} are a list`);
  if (kind === "BYTES") return Buffer.concat(values.map((value) => bytesElement(String(value))));
  const writer = WRITERS[kind];
  if (writer === undefined) throw new Error(`${kind} is no datatype`);
  return Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(writer.bytes);
      writer.write(
        new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
        typeof value === "string" ? numberOf(value) : Number(value),
      );
      return bytes;
    }),
  );
}

const numberOf = (text: string): number | bigint => (/^-?\d+$/.test(text) ? BigInt(text) : Number(text));

function bytesElement(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}
