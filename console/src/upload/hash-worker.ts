import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** What the worker says: how many bytes are hashed, and at last the digest. */
export type HashMessage =
  | { readonly kind: "progress"; readonly done: number }
  | { readonly kind: "digest"; readonly sha256: string }
  | { readonly kind: "failed"; readonly why: string };

/** A message for each piece, and no file in memory as a whole. */
const PIECE_BYTES = 4 * 1_048_576;

// The browser's own digest takes a file only whole, which a model of 2 GiB is too large for.
self.addEventListener("message", ({ data: file }: MessageEvent<File>) => {
  void hash(file).then(
    (digest) => say({ kind: "digest", sha256: digest }),
    (error: unknown) => say({ kind: "failed", why: error instanceof Error ? error.message : String(error) }),
  );
});

const say = (message: HashMessage): void => self.postMessage(message);

async function hash(file: File): Promise<string> {
  const digest = sha256.create();
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    digest.update(new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer()));
    say({ kind: "progress", done: Math.min(file.size, at + PIECE_BYTES) });
  }
  return bytesToHex(digest.digest());
}
