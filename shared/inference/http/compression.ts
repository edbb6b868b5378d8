import { constants, createGzip, gzip, unzip } from "node:zlib";
import { SkerryError } from "../../base/errors.ts";
import type { Clock } from "../../base/clock.ts";
import { type OwnedBytes, release } from "../../bytes/owned-bytes.ts";
import { invalid } from "../faults.ts";
import type { ResponseStream } from "../response-stream.ts";
import { forwardStream, type Outlet } from "./forward-stream.ts";
import { headerOf, type HttpHeaders } from "./message.ts";

/** Answers below it fit one packet or two anyway. */
const WORTH_BYTES = 1_024;
/** The quickest: 64 kB of floats as JSON take 1 ms and become a third, against 3 ms and little less with the default. */
const OPTIONS = { level: constants.Z_BEST_SPEED };

const ENCODINGS: ReadonlySet<string> = new Set(["gzip", "x-gzip", "deflate"]);

/** Whether the body is compressed. Throws `UNSUPPORTED_MEDIA_TYPE` for an encoding that is not served. */
export function isCompressed(headers: HttpHeaders): boolean {
  const encoding = headerOf(headers, "content-encoding")?.toLowerCase();
  if (encoding === undefined || encoding === "" || encoding === "identity") return false;
  if (ENCODINGS.has(encoding)) return true;
  throw new SkerryError(
    "UNSUPPORTED_MEDIA_TYPE",
    `the body is encoded as ${encoding.slice(0, 32)}; send it as gzip, as deflate, or without Content-Encoding`,
  );
}

/**
 * The body inflated, in one piece. Throws `TOO_LARGE` as soon as more than `maxBytes` come out, however few went in, and
 * `INVALID_REQUEST` for what is not gzip or zlib.
 */
export async function inflate(pieces: readonly Uint8Array[], maxBytes: number): Promise<Buffer> {
  try {
    return await new Promise<Buffer>((resolve, reject) =>
      unzip(Buffer.concat(pieces), { maxOutputLength: maxBytes }, (error, bytes) =>
        error ? reject(error) : resolve(bytes),
      ),
    );
  } catch (error) {
    if (Error.isError(error) && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      throw new SkerryError("TOO_LARGE", `the body is larger than ${maxBytes} bytes once it is inflated`);
    throw invalid("the body is not what its Content-Encoding says: gzip or deflate, whole");
  }
}

/** Whether the caller asks for gzip (RFC 9110, 12.5.3). */
export function acceptsGzip(headers: HttpHeaders): boolean {
  const accepted = headerOf(headers, "accept-encoding");
  if (accepted === undefined) return false;
  return accepted.split(",").some((entry) => /^\s*(x-)?gzip\s*(;\s*q=(?!0(\.0*)?\s*$)[\d.]+\s*)?$/i.test(entry));
}

/** Whether an answer of so many bytes is compressed when its caller asks; `undefined`: a stream, which is a long one. */
export const isWorthGzip = (bytes: number | undefined): boolean => bytes === undefined || bytes >= WORTH_BYTES;

/** An answer's head and body; the body is its receiver's. */
interface Whole<Trailer> {
  readonly status: number;
  /** Names and values in turn, without a length. */
  readonly headers: readonly string[];
  readonly body: OwnedBytes | ResponseStream<Trailer>;
}

interface Response {
  writeHead(status: number, headers: string[]): unknown;
  end(bytes: Uint8Array): unknown;
  destroy(): unknown;
}

/** Sends an answer compressed. Resolves as `forwardStream` does, and never rejects. */
export async function sendGzipped<Trailer>(
  response: Response & NodeJS.WritableStream,
  { status, headers, body }: Whole<Trailer>,
  clock: Clock,
): Promise<string> {
  const head = [...headers, "Content-Encoding", "gzip", "Vary", "Accept-Encoding"];
  if (!(body instanceof Uint8Array)) {
    response.writeHead(status, head);
    return forwardStream(body, compressingOutlet(response), clock);
  }
  const bytes = await gzipped(body);
  release(body);
  response.writeHead(status, [...head, "Content-Length", String(bytes.length)]);
  response.end(bytes);
  return "OK";
}

const gzipped = (bytes: Uint8Array): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    gzip(bytes, OPTIONS, (error, compressed) => (error ? reject(error) : resolve(compressed))),
  );

/** An outlet that compresses what is written to it into a response. */
function compressingOutlet(response: NodeJS.WritableStream & { destroy(): unknown }): Outlet {
  const compressor = createGzip(OPTIONS);
  compressor.pipe(response);
  return {
    write: (bytes, sent) => compressor.write(bytes, sent),
    end: () => compressor.end(),
    destroy: () => {
      compressor.destroy();
      response.destroy();
    },
  };
}
