import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import type { ChunkRef } from "../../../shared/protocol/model-files/manifest.ts";
import type { SumQuestion, SumReply } from "./file-sums-thread.ts";

interface SummedFile {
  readonly handle: FileHandle;
  readonly size: number;
}

/** A thread takes some 20 ms to start, in which SHA-256 of 32 MiB is done. */
const MIN_BYTES = 32 * 1_048_576;

/**
 * SHA-256 of whole files while their chunks arrive, on a thread of its own: of 3 GB it took 2 s at the end of the push, in
 * which nothing else went on. A file is read from its start to the last chunk that has no gap before it.
 */
export class FileSums {
  readonly #files: readonly SummedFile[];
  /** The chunks of each file from its start on. */
  readonly #chunks: readonly (readonly ChunkRef[])[];
  readonly #sound: Set<number>;
  /** The first chunk of each file that is not sound yet. */
  readonly #next: number[];
  readonly #thread: Worker;
  #isStopped = false;

  /** Undefined where a thread would take longer than it saves. `sound`: the chunks that are on the disk already. */
  static of(
    files: readonly SummedFile[],
    chunks: readonly ChunkRef[],
    sound: ReadonlySet<number>,
  ): FileSums | undefined {
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    return bytes < MIN_BYTES ? undefined : new FileSums(files, chunks, sound);
  }

  private constructor(files: readonly SummedFile[], chunks: readonly ChunkRef[], sound: ReadonlySet<number>) {
    this.#files = files;
    this.#chunks = files.map((_, index) =>
      chunks.filter(({ file }) => file === index).toSorted((a, b) => a.offset - b.offset),
    );
    this.#sound = new Set(sound);
    this.#next = files.map(() => 0);
    this.#thread = new Worker(new URL("./file-sums-thread.ts", import.meta.url));
    this.#thread.unref();
    this.#thread.on("error", () => (this.#isStopped = true));
    for (const index of files.keys()) this.#advance(index);
  }

  /** The chunk is on the disk, with the right bytes. */
  add({ index, file }: ChunkRef): void {
    this.#sound.add(index);
    this.#advance(file);
  }

  /** In hex. Undefined when the thread failed, or the file has a gap. */
  async of(file: number): Promise<string | undefined> {
    if (this.#isStopped || this.#next[file] !== this.#chunks[file]?.length) return undefined;
    const replied = once(this.#thread, "message");
    this.#ask({ file, fd: this.#files[file]?.handle.fd ?? -1, end: this.#files[file]?.size ?? 0, isLast: true });
    const ended = once(this.#thread, "exit").then(() => undefined);
    const reply: readonly SumReply[] | undefined = await Promise.race([replied, ended]).catch(() => undefined);
    return reply?.[0]?.sum;
  }

  /** Resolves when no file is read any more: only then may they be closed. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#thread.terminate();
  }

  #advance(file: number): void {
    const chunks = this.#chunks[file] ?? [];
    const before = this.#next[file] ?? 0;
    let next = before;
    for (let chunk = chunks[next]; chunk && this.#sound.has(chunk.index); chunk = chunks[next]) next += 1;
    const last = chunks[next - 1];
    if (next === before || !last) return;
    this.#next[file] = next;
    this.#ask({ file, fd: this.#files[file]?.handle.fd ?? -1, end: last.offset + last.length, isLast: false });
  }

  #ask(question: SumQuestion): void {
    if (!this.#isStopped) this.#thread.postMessage(question);
  }
}
