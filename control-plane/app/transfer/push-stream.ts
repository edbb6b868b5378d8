import {
  manifest as manifestSchema,
  chunksOf,
  type ChunkRef,
  type Manifest,
} from "../../../shared/protocol/model-files/manifest.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { MAX_TRANSFER_MESSAGE_BYTES } from "../../../shared/protocol/limits.ts";
import type { TransferMessage } from "../../../shared/protocol/messages/transfer-messages.ts";
import {
  encodeTransferHeader,
  TRANSFER_FRAME,
  TRANSFER_HEADER_BYTES,
  type TransferFrame,
} from "../../../shared/protocol/frames/transfer-frame.ts";
import { chunksInBitmap, PushProgress } from "../../core/transfer/push-progress.ts";
import type { ArtifactFile, ArtifactStore } from "../../ports/catalog/artifacts.ts";
import type { CatalogStore } from "../../ports/catalog/catalog.ts";
import type { TransferChannel } from "../../ports/nodes/channels.ts";

const MAX_PAYLOAD = MAX_TRANSFER_MESSAGE_BYTES - TRANSFER_HEADER_BYTES - 52; // 1 MiB: the rest of the limit is head room

/** One transfer's sender: the manifest, then round after round of missing chunks inside the node's credit. */
export class PushStream {
  readonly #channel: TransferChannel;
  readonly #artifacts: ArtifactStore;
  readonly #catalog: CatalogStore;
  readonly #artifact: string;
  readonly #progress = new PushProgress(MAX_PAYLOAD);
  /** Every frame in turn. A new one for each kept the garbage collector busy for three fifths of a push. */
  readonly #frame = new Uint8Array(TRANSFER_HEADER_BYTES + MAX_PAYLOAD);
  #chunks: readonly ChunkRef[] = [];
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(channel: TransferChannel, parts: { artifacts: ArtifactStore; catalog: CatalogStore; artifact: string }) {
    this.#channel = channel;
    this.#artifacts = parts.artifacts;
    this.#catalog = parts.catalog;
    this.#artifact = parts.artifact;
  }

  /** Resolves when the channel closed or `stop` was called. Rejects when the artifact cannot be read or a frame not be sent. */
  async run(): Promise<void> {
    const text = await this.#catalog.manifest(this.#artifact);
    if (text === null) throw new Error(`artifact ${this.#artifact} is not in the catalog`);
    const manifest = manifestSchema.parse(JSON.parse(text));
    this.#chunks = chunksOf(manifest);
    await this.#sendManifest(new TextEncoder().encode(text));
    const files = await this.#openFiles(manifest);
    try {
      await this.#sendChunks(files);
    } finally {
      await Promise.all(files.map((file) => file.close()));
    }
  }

  /** Bytes of chunks that were sent so far. */
  get sentBytes(): number {
    return this.#progress.totalSent;
  }

  onMessage(message: TransferMessage): void {
    if (message.type === "credit") this.#progress.credit(message.durable, message.window);
    else {
      const missing = chunksInBitmap(fromBase64Url(message.chunks), this.#chunks);
      if (!missing) return this.#channel.close(CLOSE.INVALID_MESSAGE, "need names chunks that do not exist");
      this.#progress.begin(missing, message.partial, message.window);
    }
    this.#wake();
  }

  /** The channel has closed. */
  closed(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Ends the transfer from this side. */
  stop(): void {
    if (!this.#isOver) this.#channel.close(CLOSE.DONE, "");
    this.closed();
  }

  async #sendManifest(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.byteLength; offset += MAX_PAYLOAD) {
      const payload = bytes.subarray(offset, offset + MAX_PAYLOAD);
      const end = offset + payload.byteLength === bytes.byteLength;
      this.#room(payload.byteLength).set(payload);
      await this.#send({ type: TRANSFER_FRAME.MANIFEST, end, chunk: 0, offset }, payload.byteLength);
    }
  }

  async #openFiles(manifest: Manifest): Promise<readonly ArtifactFile[]> {
    const files: ArtifactFile[] = [];
    for (const { sha256 } of manifest.files) files.push(await this.#artifacts.open(sha256));
    return files;
  }

  async #sendChunks(files: readonly ArtifactFile[]): Promise<void> {
    while (!this.#isOver) {
      const frame = this.#progress.next();
      if (!frame) {
        await this.#news();
        continue;
      }
      const { chunk, offset, length, end } = frame;
      const file = files[chunk.file];
      if (!file) throw new Error(`chunk ${chunk.index} names file ${chunk.file} of ${files.length}`);
      await file.read(chunk.offset + offset, this.#room(length));
      await this.#send({ type: TRANSFER_FRAME.CHUNK, end, chunk: chunk.index, offset }, length);
    }
  }

  /** Where the payload of the next frame goes. */
  #room(length: number): Uint8Array {
    return this.#frame.subarray(TRANSFER_HEADER_BYTES, TRANSFER_HEADER_BYTES + length);
  }

  #send(header: Omit<TransferFrame, "payload">, length: number): Promise<void> {
    this.#frame.set(encodeTransferHeader(header));
    return this.#channel.sendFrame(this.#frame.subarray(0, TRANSFER_HEADER_BYTES + length));
  }

  /** Until the node says something or the channel closes; its silence limit is the adapter's. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = () => undefined;
        resolve();
      };
      if (this.#isOver) this.#wake();
    });
  }
}

const fromBase64Url = (text: string): Uint8Array => Buffer.from(text, "base64url");
