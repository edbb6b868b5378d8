import { type KeptStream, MAX_STREAM_BYTES_OF_NODE, MAX_STREAMS_OF_NODE } from "../../shared/protocol/kept-streams.ts";

interface Entry extends KeptStream {
  /** No other node has gone on with it, as far as can be known. */
  readonly isConfirmed: boolean;
}

/** Bytes of a stream beside what is kept of it. */
const BESIDE = 256;

/** What a node keeps of streams, bounded in number and bytes: the one that was not used for longest leaves first, and is counted. Pure. */
export class KeptStreams {
  /** The one that was used last is the last. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #evicted = 0;

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Since the start of the program. */
  get evicted(): number {
    return this.#evicted;
  }

  get(placementId: string, key: string): Entry | undefined {
    return this.#entries.get(idOf(placementId, key));
  }

  /** Keeps it as the one that was used last. */
  set(stream: KeptStream, { isConfirmed }: { readonly isConfirmed: boolean }): void {
    this.delete(stream.placementId, stream.key);
    this.#entries.set(idOf(stream.placementId, stream.key), { ...stream, isConfirmed });
    this.#bytes += BESIDE + stream.bytes.byteLength;
    while (this.#entries.size > MAX_STREAMS_OF_NODE || this.#bytes > MAX_STREAM_BYTES_OF_NODE) {
      const [oldest] = this.#entries.values();
      if (oldest === undefined) return;
      this.delete(oldest.placementId, oldest.key);
      this.#evicted += 1;
    }
  }

  delete(placementId: string, key: string): boolean {
    const id = idOf(placementId, key);
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#bytes -= BESIDE + entry.bytes.byteLength;
    return this.#entries.delete(id);
  }

  of(placementId: string): readonly KeptStream[] {
    return [...this.#entries.values()].filter((entry) => entry.placementId === placementId);
  }

  all(): Iterable<KeptStream> {
    return this.#entries.values();
  }

  /** Other nodes may have gone on with any of them. */
  unconfirm(): void {
    for (const [id, entry] of this.#entries) this.#entries.set(id, { ...entry, isConfirmed: false });
  }
}

const idOf = (placementId: string, key: string): string => `${placementId} ${key}`;
