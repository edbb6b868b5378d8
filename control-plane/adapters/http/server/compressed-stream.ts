import { pipeline, Readable } from "node:stream";
import { constants, createGzip } from "node:zlib";
import { acceptedEncodings } from "./accepted-encodings.ts";

/**
 * Quick rather than small, and 64 KiB of memory for a stream instead of 256: a replica has hundreds. The list of 1,000 nodes
 * becomes a tenth, which is what makes it bearable on a slow link.
 */
const GZIP = { level: constants.Z_BEST_SPEED, windowBits: 13, memLevel: 6, flush: constants.Z_SYNC_FLUSH };

/** Whether a reader that sends this `Accept-Encoding` takes gzip. */
export const takesGzip = (accepted: string | undefined): boolean => acceptedEncodings(accepted).has("gzip");

/** The pieces in gzip, each readable as soon as it came. When the reader leaves, `pieces` ends. */
export function compressed(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const gzip = createGzip(GZIP);
  // A failure of the pieces ends `gzip` with the same error, where the reader of it meets it.
  pipeline(Readable.from(pieces), gzip, () => undefined);
  return gzip;
}
