import { crc32, deflateRawSync } from "node:zlib";

/** An array as numpy writes it: `descr` is its dtype. */
export function npy(descr: string, shape: readonly number[], data: Uint8Array, { isFortran = false } = {}): Buffer {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const order = isFortran ? "True" : "False";
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${sizes}), }`;
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.concat([Buffer.from("\u0093NUMPY\u0001\u0000", "latin1"), Buffer.alloc(2)]);
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([head, Buffer.from(header), data]);
}

/** An array of FP32. */
export const floats = (shape: readonly number[], values: readonly number[]): Buffer =>
  npy("<f4", shape, new Uint8Array(Float32Array.from(values).buffer));

/** What `numpy.savez` writes, or `savez_compressed`. */
export function npz(arrays: Readonly<Record<string, Buffer>>, { isCompressed = false } = {}): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(arrays)) {
    const path = Buffer.from(`${name}.npy`);
    const packed = isCompressed ? deflateRawSync(content) : content;
    const facts = Buffer.alloc(24);
    facts.writeUInt16LE(isCompressed ? 8 : 0, 4);
    facts.writeUInt32LE(crc32(content), 10);
    facts.writeUInt32LE(packed.length, 14);
    facts.writeUInt32LE(content.length, 18);
    facts.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), facts, Buffer.alloc(2), path, packed]);
    const tail = Buffer.alloc(16);
    tail.writeUInt32LE(offset, 12);
    directory.push(Buffer.concat([Buffer.from("PK\u0001\u0002"), Buffer.alloc(2), facts, Buffer.alloc(0), tail, path]));
    files.push(local);
    offset += local.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(directory.length, 4);
  end.writeUInt16LE(directory.length, 6);
  end.writeUInt32LE(listed.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...files, listed, Buffer.from("PK\u0005\u0006"), end]);
}
