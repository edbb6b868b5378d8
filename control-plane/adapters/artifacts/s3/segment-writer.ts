import { SkerryError } from "../../../../shared/base/errors.ts";
import type { UploadSegments } from "./upload-segments.ts";

/** Bytes of one piece, and what an upload costs in memory. The command line sends as much in one request. */
const SEGMENT_BYTES = 8 * 1024 * 1024;

/**
 * Writes one stream to the end of one upload, in pieces. While a piece is stored no more is read, so that a slow store slows
 * the sender down; when the stream breaks, what came before it is stored first.
 */
export class SegmentWriter {
  readonly #uploads: UploadSegments;
  readonly #id: string;
  readonly #maxBytes: number;
  readonly #piece: Buffer;
  /** Bytes in `#piece`. */
  #held = 0;
  #durable: number;

  /** `offset`: where the upload ends. */
  constructor(
    uploads: UploadSegments,
    upload: { readonly id: string; readonly offset: number; readonly maxBytes: number },
  ) {
    this.#uploads = uploads;
    this.#id = upload.id;
    this.#maxBytes = upload.maxBytes;
    this.#durable = upload.offset;
    this.#piece = Buffer.allocUnsafe(Math.max(0, Math.min(SEGMENT_BYTES, upload.maxBytes - upload.offset)));
  }

  /** Returns the new durable length. Throws `TOO_LARGE`, `CONFLICT`, what the store throws and what the stream throws. */
  async append(bytes: AsyncIterable<Uint8Array>): Promise<number> {
    let isStoring = false;
    const store = async (): Promise<void> => {
      isStoring = true;
      await this.#store();
      isStoring = false;
    };
    try {
      for await (const block of bytes) {
        this.#demandRoom(block.length);
        for (let at = 0; at < block.length;) {
          const part = block.subarray(at, at + this.#piece.length - this.#held);
          this.#piece.set(part, this.#held);
          this.#held += part.length;
          at += part.length;
          if (this.#held === SEGMENT_BYTES) await store();
        }
      }
    } catch (error) {
      if (!isStoring) await store();
      throw error;
    }
    await store();
    return this.#durable;
  }

  #demandRoom(bytes: number): void {
    if (this.#durable + this.#held + bytes <= this.#maxBytes) return;
    throw new SkerryError(
      "TOO_LARGE",
      `upload ${this.#id} would hold more than the ${this.#maxBytes} bytes that were declared`,
    );
  }

  async #store(): Promise<void> {
    if (this.#held === 0) return;
    if (!(await this.#uploads.write(this.#id, this.#durable, this.#piece.subarray(0, this.#held))))
      throw new SkerryError(
        "CONFLICT",
        `another connection, perhaps to another control plane, has written to upload ${this.#id} from byte ${this.#durable} on`,
      );
    this.#durable += this.#held;
    this.#held = 0;
  }
}
