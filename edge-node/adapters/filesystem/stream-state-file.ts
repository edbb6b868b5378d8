import { createHash } from "node:crypto";
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { decodeStreams, encodeStreams, type KeptStream } from "../../../shared/protocol/kept-streams.ts";
import type { StreamStateFile } from "../../ports/stream-states.ts";
import { unlessMissing, writeDurably } from "./durable.ts";

export const STREAM_STATE_FILE = "stream-states.bin";
const MAGIC = Buffer.from("skerry-streams-1\n");
const SUM_BYTES = 32;

/** `stream-states.bin` in the state folder, mode 0600: a bundle of streams between its format and its SHA-256. */
export class BinaryStreamStateFile implements StreamStateFile {
  readonly #path: string;
  readonly #logger: Logger;

  constructor(stateDir: string, logger: Logger) {
    this.#path = join(stateDir, STREAM_STATE_FILE);
    this.#logger = logger;
  }

  async read(): Promise<readonly KeptStream[]> {
    const bytes = await unlessMissing(readFile(this.#path));
    if (bytes === undefined) return [];
    const streams = streamsIn(bytes);
    if (streams !== undefined) return streams;
    this.#logger.error({ file: this.#path }, "what is kept of streams is damaged on the disk: they begin anew");
    await rename(this.#path, `${this.#path}.damaged`);
    return [];
  }

  async write(streams: Iterable<KeptStream>): Promise<void> {
    const bundle = encodeStreams(streams);
    await writeDurably(this.#path, Buffer.concat([MAGIC, bundle, sumOf(bundle)]), 0o600);
  }
}

const sumOf = (bundle: Uint8Array): Buffer => createHash("sha256").update(bundle).digest();

function streamsIn(bytes: Buffer): readonly KeptStream[] | undefined {
  const bundle = bytes.subarray(MAGIC.byteLength, Math.max(MAGIC.byteLength, bytes.byteLength - SUM_BYTES));
  const isWhole = bytes.subarray(0, MAGIC.byteLength).equals(MAGIC) && sumOf(bundle).equals(bytes.subarray(-SUM_BYTES));
  return isWhole ? decodeStreams(bundle) : undefined;
}
