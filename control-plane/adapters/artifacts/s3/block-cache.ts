import { Semaphore } from "../../../../shared/flow/semaphore.ts";

/** What is asked for at once. Chunks that are sent to nodes have 64 KiB to 1 MiB. */
const BLOCK_BYTES = 1024 * 1024;
const MAX_BLOCKS = 64;
/** Fewer than the connections that the library keeps (50), of which uploads need some. */
const READS_AT_ONCE = 24;

type Fetch = (range: { readonly offset: number; readonly length: number }) => Promise<Uint8Array>;

/**
 * The blocks of stored files that were read last, 64 MiB. A model goes to many nodes at about the same time, chunk by
 * chunk in the same order: the first push asks the store and the others find its block here, or wait for it.
 */
export class BlockCache {
  readonly #blocks = new Map<string, Promise<Uint8Array>>();
  readonly #reads = new Semaphore(READS_AT_ONCE);

  /** Fills `into` from `offset` of the file `name`; `fetch` reads a range of it. Rejects with what `fetch` throws. */
  async read(name: string, at: { readonly offset: number; readonly into: Uint8Array }, fetch: Fetch): Promise<void> {
    const { offset, into } = at;
    for (let filled = 0; filled < into.length;) {
      const position = offset + filled;
      const index = Math.floor(position / BLOCK_BYTES);
      const block = await this.#block(`${name}:${index}`, index, fetch);
      const part = block.subarray(position - index * BLOCK_BYTES).subarray(0, into.length - filled);
      if (part.length === 0)
        throw new Error(`${name} ends at byte ${position}, ${offset + into.length} were asked for`);
      into.set(part, filled);
      filled += part.length;
    }
  }

  #block(key: string, index: number, fetch: Fetch): Promise<Uint8Array> {
    const known = this.#blocks.get(key);
    this.#blocks.delete(key);
    const block = known ?? this.#fetch(key, index, fetch);
    this.#blocks.set(key, block); // the newest last
    const [oldest] = this.#blocks.keys();
    if (this.#blocks.size > MAX_BLOCKS && oldest !== undefined) this.#blocks.delete(oldest);
    return block;
  }

  async #fetch(key: string, index: number, fetch: Fetch): Promise<Uint8Array> {
    const release = await this.#reads.take();
    try {
      return await fetch({ offset: index * BLOCK_BYTES, length: BLOCK_BYTES });
    } catch (error) {
      this.#blocks.delete(key); // the next one asks again
      throw error;
    } finally {
      release();
    }
  }
}
