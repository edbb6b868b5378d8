import type { IncomingMessage } from "node:http";
import { SkerryError } from "../../../shared/base/errors.ts";
import { release } from "../../../shared/bytes/release.ts";
import { MAX_BODIES_IN_FLIGHT_BYTES, MAX_BODY_BYTES } from "../../../shared/protocol/limits.ts";

/** Bytes that the bodies under way hold together. A hard bound: a body that does not fit is refused before it is read. */
export class BodyBudget {
  #held = 0;

  /** Reads a body of at most 8 MiB and hands it to `use`; its bytes count until `use` has settled. */
  async with<Result>(request: IncomingMessage, use: (body: Uint8Array) => Promise<Result>): Promise<Result> {
    let mine = 0;
    const take = (bytes: number): void => {
      mine += bytes;
      this.#held += bytes;
      if (mine > MAX_BODY_BYTES)
        throw new SkerryError(
          "TOO_LARGE",
          `the body is larger than the limit of ${MAX_BODY_BYTES} bytes; send fewer rows`,
        );
      if (this.#held > MAX_BODIES_IN_FLIGHT_BYTES) {
        throw new SkerryError(
          "RATE_LIMITED",
          `this node holds ${MAX_BODIES_IN_FLIGHT_BYTES} bytes of requests already; retry after Retry-After`,
        );
      }
    };
    try {
      return await use(await readBody(request, take));
    } finally {
      this.#held -= mine;
    }
  }
}

/** A small body comes with its head and is there already: no iterator has to wait for it. */
function arrived(request: IncomingMessage): Uint8Array {
  const body = request.read() as Buffer;
  request.resume(); // to its end, which comes after the last byte
  return body;
}

async function readBody(request: IncomingMessage, take: (bytes: number) => void): Promise<Uint8Array> {
  const declared = Number(request.headers["content-length"] ?? Number.NaN);
  if (Number.isFinite(declared)) take(declared);
  if (declared > 0 && request.readableLength === declared) return arrived(request);
  const chunks: Buffer[] = [];
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (!Number.isFinite(declared)) take(chunk.byteLength);
    chunks.push(chunk);
  }
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return only;
  const body = Buffer.concat(chunks);
  for (const chunk of chunks) release(chunk);
  return body;
}
