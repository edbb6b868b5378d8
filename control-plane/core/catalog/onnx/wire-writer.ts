/** Writes protobuf's wire format: as much of it as an edit of an ONNX file needs. */

const BYTES = 2;
const utf8 = new TextEncoder();

/** A field that holds text, bytes or a message. */
export function bytesField(number: number, value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === "string" ? utf8.encode(value) : value;
  return join([fieldHead(number, bytes.length), bytes]);
}

/** A field that holds a whole number, 0 or more. */
export const integerField = (number: number, value: number): Uint8Array => join([varint(number * 8), varint(value)]);

/** What precedes the `length` bytes of a field that holds text, bytes or a message. */
export const fieldHead = (number: number, length: number): Uint8Array =>
  join([varint(number * 8 + BYTES), varint(length)]);

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
