import { createHash, timingSafeEqual } from "node:crypto";
import { readFile, stat } from "node:fs/promises";

const LINE = /^([0-9a-f]{64})(?:\s.*)?$/;
/** A file of the technician's, not a database. */
const MAX_BYTES = 1_048_576;

/**
 * Who may ask a node that listens beyond loopback: a file with the SHA-256 of one key a line (what `printf %s KEY |
 * sha256sum` prints), read again when it changes. It holds no secret and needs no control plane.
 */
export class LocalKeys {
  readonly #file: string;
  #hashes: readonly Buffer[] = [];
  #version = "";

  private constructor(file: string) {
    this.#file = file;
  }

  /** Throws when the file cannot be read or a line is not a hash: a key that is silently left out locks somebody out. */
  static async open(file: string): Promise<LocalKeys> {
    const keys = new LocalKeys(file);
    await keys.#refresh();
    return keys;
  }

  /** Whether the file lists this key now. */
  async has(key: string): Promise<boolean> {
    // A damaged edit keeps the last good keys in force; who edited it finds out at the next start.
    await this.#refresh().catch(() => undefined);
    const hash = createHash("sha256").update(key).digest();
    // All are compared, so that the time tells nothing about which.
    return this.#hashes.filter((known) => timingSafeEqual(known, hash)).length > 0;
  }

  async #refresh(): Promise<void> {
    const { mtimeMs, size, ino } = await stat(this.#file);
    const version = `${ino} ${mtimeMs} ${size}`;
    if (version === this.#version) return;
    if (size > MAX_BYTES) throw new Error(`${this.#file} is larger than ${MAX_BYTES} bytes`);
    const lines = (await readFile(this.#file, "utf8")).split("\n").map((line) => line.trim());
    this.#hashes = lines.flatMap((line, i) => {
      if (line === "" || line.startsWith("#")) return [];
      const [, hash] = LINE.exec(line) ?? [];
      if (hash === undefined)
        throw new Error(`${this.#file}, line ${i + 1}: not a SHA-256 in hexadecimal, perhaps with a comment behind it`);
      return [Buffer.from(hash, "hex")];
    });
    this.#version = version;
  }
}
