import { ERRORS, type ErrorCode, SkerryError } from "../base/errors.ts";
import { release, own, type OwnedBytes } from "../bytes/owned-bytes.ts";
import type { ResponseStream } from "./response-stream.ts";

/**
 * The body of a stream in one piece, for a transport that has no pieces. `take` counts what arrives; false refuses it.
 * Throws `SkerryError` with the code of a failed stream, and RATE_LIMITED when `take` refused.
 */
export async function wholeStream<Trailer>(
  stream: ResponseStream<Trailer>,
  take: (bytes: number) => boolean,
): Promise<OwnedBytes> {
  const pieces: OwnedBytes[] = [];
  for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
    pieces.push(piece);
    if (!take(piece.byteLength)) {
      stream.cancel();
      throw new SkerryError("RATE_LIMITED", "too many bytes of answers are under way", { retryAfterMs: 1_000 });
    }
    stream.passed(piece.byteLength);
  }
  const end = await stream.ended;
  if (end.kind === "failed") throw new SkerryError(codeOf(end.code), end.detail);
  if (end.kind === "cancelled") throw new SkerryError("CANCELLED", "the caller went away");
  const body = own(new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)));
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.byteLength;
    release(piece);
  }
  return body;
}

const isCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);
const codeOf = (code: string): ErrorCode => (isCode(code) ? code : "INTERNAL");
