import { inflateRawSync } from "node:zlib";
import { messageOf } from "../../base/errors.ts";
import { type NpyArray, readNpy } from "./npy.ts";
import { isSamplesFault, samplesFault } from "./samples-fault.ts";

const MAX_ARRAY_BYTES = 512 * 1024 ** 2;
const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 65_535;
const STORED = 0;
const DEFLATED = 8;
/** Written where a size has to be looked up in the entry's ZIP64 field. NumPy writes that only above 4 GiB. */
const IN_ZIP64 = 0xffffffff;

/**
 * The arrays of a file that `numpy.savez` or `savez_compressed` wrote, by name. Throws a `SamplesFault` that names `path`, also
 * when they have more than `maxBytes` together.
 */
export function readNpz(
  bytes: Buffer,
  path: string,
  { maxBytes = Infinity }: { readonly maxBytes?: number } = {},
): ReadonlyMap<string, NpyArray> {
  const end = findEnd(bytes);
  if (end === undefined) throw unfit(path, "it is no ZIP archive");
  const arrays = new Map<string, NpyArray>();
  let room = maxBytes;
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0 && at + 46 <= bytes.length; left -= 1) {
    if (bytes.readUInt32LE(at) !== DIRECTORY_ENTRY) throw unfit(path, "its directory is damaged");
    const nameLength = bytes.readUInt16LE(at + 28);
    const name = bytes.toString("utf8", at + 46, at + 46 + nameLength).replace(/\.npy$/, "");
    const content = contentOf(bytes, at, { path, maxBytes: Math.min(room, MAX_ARRAY_BYTES) });
    room -= content.byteLength;
    arrays.set(name, arrayOf(content, { name, path }));
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return arrays;
}

/** What no tensor can hold, such as a negative size or half a character, is a fault of the file and none of this program. */
function arrayOf(content: Uint8Array, { name, path }: { readonly name: string; readonly path: string }): NpyArray {
  try {
    return readNpy(content, `array "${name}" of ${path}`);
  } catch (error) {
    if (isSamplesFault(error)) throw error;
    throw unfit(path, `array "${name}": ${messageOf(error)}`);
  }
}

function findEnd(bytes: Buffer): number | undefined {
  const first = Math.max(0, bytes.length - END_BYTES - MAX_COMMENT_BYTES);
  for (let at = bytes.length - END_BYTES; at >= first; at -= 1)
    if (bytes.readUInt32LE(at) === END_OF_DIRECTORY) return at;
  return undefined;
}

function contentOf(
  bytes: Buffer,
  entry: number,
  { path, maxBytes }: { readonly path: string; readonly maxBytes: number },
): Uint8Array {
  const method = bytes.readUInt16LE(entry + 10);
  const packed = bytes.readUInt32LE(entry + 20);
  const header = bytes.readUInt32LE(entry + 42);
  if (packed === IN_ZIP64 || header === IN_ZIP64 || header + 30 > bytes.length)
    throw unfit(path, "an array in it is too large");
  const start = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
  const content = bytes.subarray(start, start + packed);
  if (method === STORED && content.byteLength > maxBytes)
    throw unfit(path, `its arrays have more than ${maxBytes} bytes`);
  if (method === STORED) return content;
  if (method !== DEFLATED) throw unfit(path, `it is packed by method ${method}`);
  try {
    return inflateRawSync(content, { maxOutputLength: Math.max(1, maxBytes) });
  } catch (error) {
    const isTooLarge = Error.isError(error) && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    throw unfit(path, isTooLarge ? `its arrays have more than ${maxBytes} bytes` : messageOf(error));
  }
}

const unfit = (path: string, why: string): Error =>
  samplesFault(`${path} cannot be read as samples: ${why}`, "write it with numpy.savez(PATH, INPUT=…, OUTPUT=…)");
