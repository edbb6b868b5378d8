import type { ServerResponse } from "node:http";
import type { Clock } from "../../../shared/base/clock.ts";
import type { SkerryError } from "../../../shared/base/errors.ts";
import { releasing, own, type OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import { inferenceError } from "../../../shared/inference/http/error-response.ts";
import { isWorthGzip, sendGzipped } from "../../../shared/inference/http/compression.ts";
import { forwardStream } from "../../../shared/inference/http/forward-stream.ts";
import { JSON_TYPE } from "../../../shared/inference/http/request-headers.ts";
import type { StreamEnd } from "../../../shared/inference/response-stream.ts";
import type { HostStream, HostTrailer } from "../../ports/model-hosts.ts";

/** What a route answers. */
export interface LocalResponse {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  /** A stream goes out as its pieces come. */
  readonly body: OwnedBytes | HostStream;
  /** What a stream that is not whole ends with. Such a stream is made while it is read, and leaves as it comes: uncompressed. */
  readonly failureOf?: (end: StreamEnd<HostTrailer>) => Uint8Array | undefined;
}

type Headers = Readonly<Record<string, string>>;

const encoder = new TextEncoder();
const ownedText = (text: string): OwnedBytes => own(encoder.encode(text));

export const jsonResponse = ({
  status = 200,
  headers = {},
  body,
}: {
  readonly status?: number;
  readonly headers?: Headers;
  readonly body: unknown;
}): LocalResponse => ({
  status,
  headers: listed({ "Content-Type": JSON_TYPE, "Cache-Control": "no-store", ...headers }),
  body: ownedText(JSON.stringify(body)),
});

export const textResponse = (text: string, type: string, headers: Headers = {}): LocalResponse => ({
  status: 200,
  headers: listed({ "Content-Type": type, ...headers }),
  body: ownedText(text),
});

export const errorResponse = (error: SkerryError, headers: Headers = {}): LocalResponse => {
  const answer = inferenceError(error);
  return jsonResponse({ ...answer, headers: { ...answer.headers, ...headers } });
};

/**
 * `common`: headers of every response, names and values in turn. A stream that fails cuts the connection, as its head is
 * out; a caller that goes away cancels it.
 * `gzip`: the caller asks for it.
 */
export function send(
  response: ServerResponse,
  { status, headers, body, failureOf }: LocalResponse,
  { common, clock, gzip }: { readonly common: readonly string[]; readonly clock: Clock; readonly gzip: boolean },
): void {
  const isWhole = body instanceof Uint8Array;
  if (response.destroyed) return isWhole ? undefined : void body.cancel();
  if (gzip && status === 200 && failureOf === undefined && isWorthGzip(body.length))
    return void sendGzipped(response, { status, headers: [...common, ...headers], body }, clock);
  // A stream whose length is not known goes out chunked.
  const length = body.length === undefined ? [] : ["Content-Length", String(body.length)];
  response.writeHead(status, [...common, ...headers, ...length]);
  if (isWhole) response.end(body, releasing(body));
  else void forwardStream(body, response, clock, failureOf);
}

const listed = (headers: Headers): string[] => Object.entries(headers).flat();
