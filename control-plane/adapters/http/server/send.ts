import type { ServerResponse } from "node:http";
import type { Clock } from "../../../../shared/base/clock.ts";
import { own } from "../../../../shared/bytes/owned-bytes.ts";
import { acceptsGzip, isWorthGzip, sendGzipped } from "../../../../shared/inference/http/compression.ts";
import type { ErrorResponse } from "../../../../shared/inference/http/error-response.ts";
import { compressed, takesGzip } from "./compressed-stream.ts";
import type { RouteResponse, Route } from "./route.ts";

const JSON_TYPE = { "Content-Type": "application/json", "Cache-Control": "no-store" };

/** Writes a reply. Resolves when its last byte was handed to the system, or the reader is gone. */
export async function sendResponse(
  response: ServerResponse,
  reply: RouteResponse<unknown>,
  { route, clock, stallMs }: { route: Pick<Route, "statuses">; clock: Clock; stallMs: number },
): Promise<void> {
  const status = reply.status ?? route.statuses[0];
  if ("empty" in reply) {
    response.writeHead(status, { "Cache-Control": "no-store", ...reply.headers }).end();
  } else if ("stream" in reply) {
    const isCompressed =
      reply.isCompressible === true && takesGzip(response.req.headers["accept-encoding"]?.toString());
    response.writeHead(status, {
      "Cache-Control": "no-store",
      ...reply.headers,
      ...(reply.isCompressible === true && { Vary: "Accept-Encoding" }),
      ...(isCompressed && { "Content-Encoding": "gzip" }),
    });
    // Readers of a stream that is quiet at first want to see that it is open.
    response.flushHeaders();
    if (response.req.method === "HEAD") {
      response.end();
      await reply.stream[Symbol.asyncIterator]().return?.(); // frees what the stream holds open
    } else {
      await pump(response, isCompressed ? compressed(reply.stream) : reply.stream, { clock, stallMs });
    }
  } else {
    const headers = { ...JSON_TYPE, ...reply.headers };
    if (reply.isCompressible === true) await sendCompressible(response, status, { body: reply.body, headers, clock });
    else sendJson(response, status, { body: reply.body, headers });
  }
}

export function sendError(response: ServerResponse, { status, body, headers }: Omit<ErrorResponse, "code">): void {
  sendJson(response, status, { body, headers });
}

function sendJson(
  response: ServerResponse,
  status: number,
  { body, headers }: { body: unknown; headers: Readonly<Record<string, string>> },
): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { ...headers, "Content-Length": bytes.length }).end(bytes);
}

async function sendCompressible(
  response: ServerResponse,
  status: number,
  { body, headers, clock }: { body: unknown; headers: Readonly<Record<string, string>>; clock: Clock },
): Promise<void> {
  const bytes = own(Buffer.from(JSON.stringify(body)));
  if (acceptsGzip(response.req.headers) && isWorthGzip(bytes.length))
    await sendGzipped(response, { status, headers: Object.entries(headers).flat(), body: bytes }, clock);
  else response.writeHead(status, { ...headers, Vary: "Accept-Encoding", "Content-Length": bytes.length }).end(bytes);
}

/** Piece by piece, waiting for the reader. A reader that takes nothing for `stallMs` is cut off: it would hold memory without end. */
async function pump(
  response: ServerResponse,
  pieces: AsyncIterable<Uint8Array>,
  { clock, stallMs }: { clock: Clock; stallMs: number },
): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (response.destroyed) return;
      if (!response.write(piece) && !(await drained(response, { clock, stallMs }))) return;
    }
    response.end();
  } catch (error) {
    // The status is out already: a cut connection is the only way to say that this is not the whole.
    response.destroy();
    throw error;
  }
}

function drained(response: ServerResponse, { clock, stallMs }: { clock: Clock; stallMs: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isDrained: boolean): void => {
      cancel();
      response.off("drain", onDrain).off("close", onClose);
      resolve(isDrained);
    };
    const onDrain = (): void => settle(true);
    const onClose = (): void => settle(false);
    const cancel = clock.after(stallMs, () => {
      response.destroy();
      settle(false);
    });
    response.on("drain", onDrain).on("close", onClose);
  });
}
