import type { IncomingMessage } from "node:http";
import { SkerryError } from "../../../../shared/base/errors.ts";

/**
 * The body piece by piece, as it comes; how slow it may be is for its reader to say. Ending early leaves the connection
 * open for the answer. Throws `CANCELLED` when the sender goes away.
 */
export async function* bodyStream(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of request.iterator({ destroyOnReturn: false })) {
      if (!(piece instanceof Uint8Array)) throw new TypeError("the request was decoded as text");
      yield piece;
    }
  } catch (error) {
    if (request.complete) throw error;
    throw new SkerryError("CANCELLED", "the sender went away before its bytes were complete", { cause: error });
  }
}
