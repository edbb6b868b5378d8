import type { ServerResponse } from "node:http";
import type { Clock } from "../../../../shared/base/clock.ts";
import type { ErrorCode } from "../../../../shared/base/errors.ts";
import { release } from "../../../../shared/bytes/release.ts";
import { STREAM_STALL_MS } from "../../../../shared/protocol/limits.ts";
import { knownCode } from "../../../app/inference/inference-responses.ts";
import type { NodeStream } from "../../../app/inference/pending-requests.ts";

/** The part of an HTTP response that a body is written to. */
type Outlet = Pick<ServerResponse, "write" | "end" | "destroy">;

/**
 * Writes the pieces of a stream as they come. A piece is freed, and its bytes granted to the node again, when the system
 * has taken it: what is here unsent never exceeds the stream's window. The response's head must be out.
 *
 * Resolves with `OK`, or the code of what went wrong: then the connection is cut, which is the only way left to say that
 * the body is not whole. Never rejects. A reader that takes nothing for `STREAM_STALL_MS` is cut off; the cut connection
 * cancels the request, and with it the stream.
 */
export async function forwardStream(stream: NodeStream, response: Outlet, clock: Clock): Promise<ErrorCode | "OK"> {
  let cancelStall: (() => void) | undefined;
  let unsent = 0;
  const watchReader = (): void => {
    cancelStall?.();
    cancelStall = unsent === 0 ? undefined : clock.after(STREAM_STALL_MS, () => response.destroy());
  };
  for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
    const bytes = piece;
    unsent += bytes.byteLength;
    if (cancelStall === undefined) watchReader();
    response.write(bytes, (error) => {
      const { byteLength } = bytes;
      // After an error the system may still be reading it.
      if (!error) release(bytes);
      unsent -= byteLength;
      watchReader();
      stream.passed(byteLength);
    });
  }
  const end = await stream.ended;
  if (end.kind === "complete") {
    response.end();
    return "OK";
  }
  cancelStall?.();
  response.destroy();
  return end.kind === "failed" ? knownCode(end.code) : "CANCELLED";
}
