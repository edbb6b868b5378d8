import type { ByteSource } from "./byte-source.ts";

/** What people upload by mistake, told by its first bytes. */
const FORMATS: readonly { readonly at: number; readonly bytes: readonly number[]; readonly is: string }[] = [
  { at: 0, bytes: [0x50, 0x4b, 0x03, 0x04], is: "a ZIP archive, as PyTorch and Keras write them" },
  { at: 0, bytes: [0x89, 0x48, 0x44, 0x46], is: "an HDF5 file, as older Keras writes them" },
  { at: 4, bytes: [0x54, 0x46, 0x4c, 0x33], is: "a TensorFlow Lite model" },
  { at: 4, bytes: [0x4f, 0x52, 0x54, 0x4d], is: "a model in ONNX Runtime's own format" },
  { at: 0, bytes: [0x47, 0x47, 0x55, 0x46], is: "a GGUF model" },
  { at: 0, bytes: [0x1f, 0x8b], is: "a gzip archive" },
  { at: 0, bytes: [0x80, 0x02], is: "a Python pickle" },
  { at: 0, bytes: [0x3c], is: "HTML or XML, perhaps the error page of a download" },
  { at: 0, bytes: [0x7b], is: "JSON" },
  {
    at: 0,
    bytes: [0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e, 0x20],
    is: "a Git LFS pointer instead of the file it points to",
  },
];

/** What the file is in place of ONNX, when its beginning tells. */
export function knownFormat(source: ByteSource): string | undefined {
  const head = source.read(0, Math.min(16, source.size));
  return FORMATS.find(({ at, bytes }) => bytes.every((byte, index) => head[at + index] === byte))?.is;
}
