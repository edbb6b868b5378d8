import { open } from "node:fs/promises";
import { type BackoffPolicy, fullJitter } from "../../shared/flow/backoff.ts";
import { type Clock, sleep } from "../../shared/base/clock.ts";
import type { Random } from "../../shared/base/random.ts";
import type { ApiResponse, ApiClient } from "../api/client.ts";
import { isApiFailure } from "../api/problem.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import type { HashedFile } from "./hash-file.ts";

/** Bytes of one PUT. What a broken connection costs at most, when the server kept nothing of it. */
const PIECE_BYTES = 8 * 1024 * 1024;
/** A piece may take this long: 8 MiB at the 64 KiB/s below which the server gives up, and some. */
const PIECE_TIMEOUT_MS = 180_000;
/** Failures in a row, without one byte more at the server, after which we stop. */
const RETRY_BUDGET = 8;
const RETRY: BackoffPolicy = { baseMs: 250, maxMs: 10_000 };
/** The server's answers after which trying again makes sense. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

export interface UploadSurroundings {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Told after each piece how much the server has. */
  readonly onProgress: (done: number) => void;
  /** Told, in words, when the connection broke and the upload goes on. */
  readonly onRetry: (sentence: string) => void;
}

/**
 * Sends a file in pieces, from `offset` on: what the server has of it already. After a failure the server is asked how much it has, and the upload goes on there; the
 * budget of failures is full again after every byte of progress.
 */
export async function uploadFile(
  file: HashedFile,
  target: { readonly path: string; readonly offset: number },
  processEnv: UploadSurroundings,
): Promise<void> {
  const { api, onProgress } = processEnv;
  const { path } = target;
  const handle = await open(file.path, "r");
  try {
    let { offset } = target;
    onProgress(offset);
    let failures = 0;
    while (offset < file.bytes) {
      const content = await readPiece(handle, offset, Math.min(PIECE_BYTES, file.bytes - offset), file.path);
      let reached: number;
      try {
        const call = {
          query: { offset },
          bytes: { type: "application/octet-stream", content },
          timeoutMs: PIECE_TIMEOUT_MS,
        };
        reached = offsetOf(await api.call("PUT", path, call)) ?? offset + content.length;
      } catch (error) {
        failures += 1;
        reached = await recover(error, path, { offset, failures }, processEnv);
      }
      if (reached > offset) failures = 0;
      offset = reached;
      onProgress(offset);
    }
  } finally {
    await handle.close();
  }
}

/** Waits, then asks the server how many bytes it has. Throws when it is no use. */
async function recover(
  error: unknown,
  path: string,
  at: { readonly offset: number; readonly failures: number },
  processEnv: UploadSurroundings,
): Promise<number> {
  const { api, clock, random, signal, onRetry } = processEnv;
  if (!mayPass(error)) throw error;
  if (at.failures >= RETRY_BUDGET) throw budgetSpent(error, at.offset);
  const waitMs = Math.max(fullJitter(RETRY, at.failures - 1, random), isApiFailure(error) ? error.retryAfterMs : 0);
  onRetry(
    `the upload stopped at ${at.offset} bytes (${Error.isError(error) ? error.message : String(error)}); it goes on in ${(waitMs / 1000).toFixed(1)} s`,
  );
  await sleep(clock, waitMs, signal);
  try {
    return offsetOf(await api.call("HEAD", path)) ?? at.offset;
  } catch (asking) {
    // The server is still away: the next PUT at the old offset fails too and counts.
    if (mayPass(asking)) return at.offset;
    throw asking;
  }
}

function mayPass(error: unknown): boolean {
  // CONFLICT: another connection still writes, perhaps that of a push that was killed; the server's offset tells how far.
  if (isApiFailure(error)) return PASSING.has(error.status) || ["UPLOAD_OFFSET", "CONFLICT"].includes(error.code);
  return Error.isError(error) && error.name === "CliFailure" && "exitCode" in error && error.exitCode === EXIT.error;
}

function budgetSpent(error: unknown, offset: number): CliFailure {
  return new CliFailure(
    EXIT.error,
    {
      what: `the upload stays at ${offset} bytes after ${RETRY_BUDGET} attempts`,
      why: [Error.isError(error) ? error.message : String(error)],
      fix: "check the connection and push again; nothing half-made serves",
    },
    { cause: error },
  );
}

function offsetOf(answer: ApiResponse): number | undefined {
  const text = answer.headers.get("upload-offset");
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

async function readPiece(
  handle: { read: (into: Uint8Array, at: number, length: number, position: number) => Promise<{ bytesRead: number }> },
  offset: number,
  length: number,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const piece = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(piece, filled, length - filled, offset + filled);
    if (bytesRead === 0)
      throw new CliFailure(EXIT.error, {
        what: `${name} became shorter while it was sent`,
        fix: "push it again when nothing writes to it",
      });
    filled += bytesRead;
  }
  return piece;
}
