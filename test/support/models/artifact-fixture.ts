import { createHash } from "node:crypto";
import { Chunker } from "../../../control-plane/core/catalog/chunking/chunker.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import {
  artifactDigest,
  chunksOf,
  type ChunkRef,
  type Manifest,
} from "../../../shared/protocol/model-files/manifest.ts";

/** An artifact made for a test: its manifest, its name, its bytes. */
export interface ArtifactFixture {
  readonly artifact: `sha256:${string}`;
  readonly manifest: Manifest;
  readonly chunks: readonly ChunkRef[];
  readonly bytes: Uint8Array;
}

/** Bytes that nothing compresses and that differ for every seed. */
export function randomBytesOf(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = Math.floor(seededRandom(seed).next() * 2 ** 32) | 1;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** An artifact of one file, cut by the real chunker. */
export function anArtifact(bytes: Uint8Array, overrides: Partial<Manifest> = {}): ArtifactFixture {
  const chunker = new Chunker();
  const last = chunker.push(bytes);
  const ends = [...last, ...[chunker.finish()].filter((cut) => cut !== undefined)];
  const chunks = ends.map((end, index): [number, string] => {
    const start = ends[index - 1] ?? 0;
    return [end - start, sha256(bytes.subarray(start, end))];
  });
  const manifest: Manifest = {
    v: 1,
    model: "digits",
    version: "1",
    chunker: "gear-64k-256k-1m",
    files: [{ name: "model.onnx", size: bytes.byteLength, sha256: sha256(bytes), chunks }],
    inputs: [],
    outputs: [],
    irVersion: 10,
    opsets: { "": 21 },
    limits: { memMiB: 256, maxBatch: 8, timeoutMs: 2_000 },
    ...overrides,
  };
  return { artifact: artifactDigest(manifest), manifest, chunks: chunksOf(manifest), bytes };
}
