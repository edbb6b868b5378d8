import type { ChildProcess } from "node:child_process";
import { getCompileCacheDir } from "node:module";
import path from "node:path";
import { SkerryError } from "../../../shared/base/errors.ts";

/** A result is a manifest of at most 1 MiB and the signature a second time, for each graph that is served. */
const MAX_RESULT_BYTES = 16 * 1024 * 1024;
const MAX_COMPLAINT_BYTES = 4 * 1024;

export interface Ended {
  readonly output: string;
  readonly complaint: string;
  /** `code 1`, `signal SIGSEGV`. */
  readonly how: string;
  readonly succeeded: boolean;
}

/**
 * All that a process sees of the environment: no NODE_OPTIONS, no database password, but where this one keeps what it compiled.
 * From there a check takes 0.4 times as much of a processor.
 */
export function childEnvironment(): Record<string, string> {
  const cache = getCompileCacheDir();
  // Node answers with the folder of its own version inside the one that it was given.
  return cache === undefined ? {} : { NODE_COMPILE_CACHE: path.resolve(path.dirname(cache)) };
}

/**
 * Writes one line, reads all of the answer, waits for the end. Throws when the process cannot be started. `staysOpen`: its
 * stdin is left open, for a process that ends with it.
 */
export function converse(
  child: ChildProcess,
  line: string,
  { staysOpen = false }: { readonly staysOpen?: boolean } = {},
): Promise<Ended> {
  const output = new BoundedText(MAX_RESULT_BYTES, () => child.kill("SIGKILL"));
  const complaint = new BoundedText(MAX_COMPLAINT_BYTES, () => undefined);
  child.stdout?.on("data", (piece: Buffer) => output.add(piece));
  child.stderr?.on("data", (piece: Buffer) => complaint.add(piece));
  // A process that dies early breaks the pipe; how it died says more.
  child.stdin?.on("error", () => undefined);
  if (staysOpen) child.stdin?.write(line);
  else child.stdin?.end(line);
  return new Promise((resolve, reject) => {
    child.once("error", (cause) =>
      reject(new SkerryError("INTERNAL", `the check process could not be started: ${cause.message}`, { cause })),
    );
    child.once("close", (code, signal) => {
      const how = signal === null ? `code ${code}` : `signal ${signal}`;
      resolve({ output: output.text(), complaint: complaint.text(), how, succeeded: code === 0 });
    });
  });
}

/** The first bytes of a stream, up to a bound. */
class BoundedText {
  readonly #pieces: Buffer[] = [];
  readonly #maxBytes: number;
  readonly #onTooMuch: () => void;
  #bytes = 0;

  constructor(maxBytes: number, onTooMuch: () => void) {
    this.#maxBytes = maxBytes;
    this.#onTooMuch = onTooMuch;
  }

  add(piece: Buffer): void {
    if (this.#bytes + piece.length > this.#maxBytes) this.#onTooMuch();
    const taken = piece.subarray(0, this.#maxBytes - this.#bytes);
    this.#bytes += taken.length;
    this.#pieces.push(taken);
  }

  text(): string {
    return Buffer.concat(this.#pieces).toString("utf8");
  }
}
