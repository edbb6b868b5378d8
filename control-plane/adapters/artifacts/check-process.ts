import { spawn, type ChildProcess } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { artifactDigest } from "../../../shared/protocol/manifest.ts";
import { checkResult, type CheckResult } from "../../model-inspector/messages.ts";
import type { ModelCheck, UploadedBundle } from "../../ports/artifacts.ts";

const PROGRAM = fileURLToPath(new URL("../../model-inspector/main.ts", import.meta.url));

/** One check reads 1 MiB at a time; the rest of the heap is for names, which the inspection bounds at 16 MiB. */
const MAX_HEAP_MIB = 256;
/** A result is a manifest of at most 1 MiB and the signature a second time. */
const MAX_RESULT_BYTES = 4 * 1024 * 1024;
const MAX_COMPLAINT_BYTES = 4 * 1024;

/** A slow disk reads 16 MiB/s; a process takes 0.2 s to start, and seconds on a busy machine. */
const deadlineFor = (bytes: number): number => 60_000 + (1_000 * bytes) / (16 * 1024 ** 2);

export interface CheckProcessParts {
  readonly clock: Clock;
  /** Ms that the check of so many bytes may take. */
  readonly deadlineMs?: (bytes: number) => number;
}

/** Runs each check in a child process with a heap limit and a deadline that ends in SIGKILL. */
export class CheckProcess implements ModelCheck {
  readonly #clock: Clock;
  readonly #deadlineMs: (bytes: number) => number;

  constructor(parts: CheckProcessParts) {
    this.#clock = parts.clock;
    this.#deadlineMs = parts.deadlineMs ?? deadlineFor;
  }

  async check(request: UploadedBundle, signal?: AbortSignal): Promise<CheckResult> {
    signal?.throwIfAborted();
    const child = spawn(process.execPath, [`--max-old-space-size=${MAX_HEAP_MIB}`, "--disable-proto=delete", PROGRAM], {
      cwd: tmpdir(),
      env: {}, // no NODE_OPTIONS, no database password
      stdio: ["pipe", "pipe", "pipe"],
    });
    const deadlineMs = this.#deadlineMs(request.files.reduce((sum, { bytes }) => sum + bytes, 0));
    let isLate = false;
    const cancelDeadline = this.#clock.after(deadlineMs, () => {
      isLate = true;
      child.kill("SIGKILL");
    });
    const onAbort = (): boolean => child.kill("SIGKILL");
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const ended = await converse(child, `${JSON.stringify(request)}\n`);
      signal?.throwIfAborted();
      if (isLate)
        return {
          kind: "rejected",
          code: "INVALID_MODEL",
          reason: `its check took longer than ${Math.round(deadlineMs / 1_000)} s and was stopped`,
        };
      return resultOf(request, ended);
    } finally {
      cancelDeadline();
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

interface Ended {
  readonly output: string;
  readonly complaint: string;
  /** `code 1`, `signal SIGSEGV`. */
  readonly how: string;
  readonly succeeded: boolean;
}

/** Writes one line, reads all of the answer, waits for the end. Throws when the process cannot be started. */
function converse(child: ChildProcess, line: string): Promise<Ended> {
  const output = new BoundedText(MAX_RESULT_BYTES, () => child.kill("SIGKILL"));
  const complaint = new BoundedText(MAX_COMPLAINT_BYTES, () => undefined);
  child.stdout?.on("data", (piece: Buffer) => output.add(piece));
  child.stderr?.on("data", (piece: Buffer) => complaint.add(piece));
  // A process that dies early breaks the pipe; how it died says more.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(line);
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

/** What the child says is decoded as anything from outside is: it has just read a stranger's file. */
function resultOf(request: UploadedBundle, ended: Ended): CheckResult {
  const name = `${request.model}:${request.version}`;
  if (!ended.succeeded)
    throw new SkerryError("INTERNAL", `the check of ${name} ended with ${ended.how}: ${lastLine(ended.complaint)}`);
  const result = checkResult.parse(JSON.parse(ended.output));
  if (result.kind === "accepted" && result.checked.artifact !== artifactDigest(result.checked.manifest)) {
    throw new SkerryError("INTERNAL", `the check of ${name} named its manifest wrongly`);
  }
  return result;
}

/** Node puts the error's own line in the middle of a trace. */
const lastLine = (text: string): string =>
  text.split("\n").find((line) => /^\s*\w*Error\b|^FATAL ERROR/.test(line)) ?? text.trim().split("\n").at(-1) ?? "";

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
