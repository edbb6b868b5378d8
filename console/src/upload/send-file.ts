import { failureOf } from "../api/failure.ts";
import { send } from "../api/send.ts";
import { backoffMs } from "../core/backoff.ts";

/** Bytes of one PUT: what a broken connection costs at most. */
const PIECE_BYTES = 4 * 1_048_576;
const PIECE_MS = 180_000;
/** Failures in a row without one byte more at the server. */
const RETRY_BUDGET = 8;
const PASSING = new Set([0, 408, 409, 429, 500, 502, 503, 504]);

/**
 * Sends a file in pieces from where the server is. After a failure the server is asked how much it has, and the upload
 * goes on there. The protocol is Skerry's own (`PUT …?offset=`, `HEAD` with `Upload-Offset`), which the command line speaks too: a
 * tus client would need a second one at the server.
 */
export async function sendFile(
  file: Blob,
  uploadUrl: string,
  {
    onProgress,
    onRetry,
    signal,
  }: {
    readonly onProgress: (done: number) => void;
    readonly onRetry: (why: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  let offset = await offsetAt(uploadUrl, signal);
  for (let failures = 0; offset < file.size;) {
    onProgress(offset);
    signal.throwIfAborted();
    try {
      const before = offset;
      offset = await put(file.slice(offset, offset + PIECE_BYTES), uploadUrl, offset, signal);
      if (offset > before) failures = 0;
    } catch (error) {
      failures += 1;
      const status = error instanceof Error && "status" in error && typeof error.status === "number" ? error.status : 0;
      if (signal.aborted || !PASSING.has(status) || failures >= RETRY_BUDGET) throw error;
      onRetry(error instanceof Error ? error.message : String(error));
      await pause(backoffMs(failures, Math.random()), signal);
      offset = await offsetAt(uploadUrl, signal).catch(() => offset);
    }
  }
  onProgress(file.size);
}

async function put(piece: Blob, uploadUrl: string, offset: number, signal: AbortSignal): Promise<number> {
  const response = await send(
    new Request(`${uploadUrl}?offset=${offset}`, {
      method: "PUT",
      headers: { "Content-Type": "application/octet-stream" },
      body: piece,
      signal: AbortSignal.any([signal, AbortSignal.timeout(PIECE_MS)]),
    }),
  );
  if (!response.ok) throw await failureOf(response);
  return offsetOf(response) ?? offset + piece.size;
}

async function offsetAt(uploadUrl: string, signal: AbortSignal): Promise<number> {
  const response = await fetch(uploadUrl, {
    method: "HEAD",
    signal: AbortSignal.any([signal, AbortSignal.timeout(20_000)]),
  });
  if (!response.ok) throw await failureOf(response);
  return offsetOf(response) ?? 0;
}

function offsetOf(response: Response): number | undefined {
  const text = response.headers.get("upload-offset");
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
