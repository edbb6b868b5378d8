import type { Clock } from "../../base/clock.ts";
import { type Corkable, corkForThisTurn } from "../../flow/cork.ts";
import { release } from "../../bytes/owned-bytes.ts";
import { STREAM_STALL_MS } from "../../protocol/limits.ts";
import type { ResponseStream, StreamEnd } from "../response-stream.ts";

/** The part of an HTTP response that a body is written to. */
export interface Outlet {
  /** Where the writes of one turn of the event loop are gathered; each is sent by itself without it. */
  readonly socket?: Corkable | null;
  write(bytes: Uint8Array, sent: (error?: Error | null) => void): unknown;
  end(): unknown;
  destroy(): unknown;
}

/**
 * Writes the pieces of a stream as they come. A piece is freed, and its bytes granted to its sender again, when the system
 * has taken it: what is here unsent never exceeds the stream's window. The response's head must be out.
 *
 * Resolves with `OK`, or the code of what went wrong: then the connection is cut, which is the only way left to say that
 * the body is not whole, unless its format has a way of its own (`failureOf`). Never rejects. A reader that takes nothing
 * for `STREAM_STALL_MS` is cut off, also while the end waits for it; the cut connection cancels the request, and with it
 * the stream.
 */
export async function forwardStream<Trailer>(
  stream: ResponseStream<Trailer>,
  response: Outlet,
  clock: Clock,
  failureOf: (end: StreamEnd<Trailer>) => Uint8Array | undefined = () => undefined,
): Promise<string> {
  let cancelStall: (() => void) | undefined;
  let unsent = 0;
  const watchReader = (): void => {
    cancelStall?.();
    cancelStall = unsent === 0 ? undefined : clock.after(STREAM_STALL_MS, () => response.destroy());
  };
  const written = (byteLength: number): void => {
    unsent += byteLength;
    if (cancelStall === undefined) watchReader();
  };
  const taken = (byteLength: number): void => {
    unsent -= byteLength;
    watchReader();
  };
  for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
    const bytes = piece;
    written(bytes.byteLength);
    // What arrives in one turn goes on in one system call: of an answer of 600 kB each piece woke its reader.
    if (response.socket) corkForThisTurn(response.socket);
    response.write(bytes, (error) => {
      const { byteLength } = bytes;
      // After an error the system may still be reading it.
      if (!error) release(bytes);
      taken(byteLength);
      stream.passed(byteLength);
    });
  }
  const end = await stream.ended;
  if (end.kind === "complete") response.end();
  else {
    const failure = failureOf(end);
    if (failure === undefined) {
      cancelStall?.();
      response.destroy();
    } else {
      written(failure.byteLength);
      response.write(failure, () => {
        taken(failure.byteLength);
        response.end();
      });
    }
  }
  return codeOf(end);
}

/** `OK`, or why a stream is not whole. */
export function codeOf(end: StreamEnd<unknown>): string {
  if (end.kind === "complete") return "OK";
  return end.kind === "failed" ? end.code : "CANCELLED";
}
