import type { ServerResponse } from "node:http";
import type { SkerryError } from "../../../shared/base/errors.ts";
import { releasing } from "../../../shared/bytes/release.ts";
import { inferenceError } from "../../../shared/inference/http/error-response.ts";
import { JSON_TYPE } from "../../../shared/inference/http/request-headers.ts";

/** What a route answers. */
export interface Reply {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

type Headers = Readonly<Record<string, string>>;

const encoder = new TextEncoder();

export const jsonReply = ({
  status = 200,
  headers = {},
  body,
}: {
  readonly status?: number;
  readonly headers?: Headers;
  readonly body: unknown;
}): Reply => ({
  status,
  headers: listed({ "Content-Type": JSON_TYPE, "Cache-Control": "no-store", ...headers }),
  body: encoder.encode(JSON.stringify(body)),
});

export const textReply = (text: string, type: string, headers: Headers = {}): Reply => ({
  status: 200,
  headers: listed({ "Content-Type": type, ...headers }),
  body: encoder.encode(text),
});

export const errorReply = (error: SkerryError, headers: Headers = {}): Reply => {
  const answer = inferenceError(error);
  return jsonReply({ ...answer, headers: { ...answer.headers, ...headers } });
};

/** `common`: headers of every response, names and values in turn. */
export function send(response: ServerResponse, { status, headers, body }: Reply, common: readonly string[]): void {
  if (response.destroyed) return;
  response.writeHead(status, [...common, ...headers, "Content-Length", String(body.byteLength)]);
  response.end(body, releasing(body));
}

const listed = (headers: Headers): string[] => Object.entries(headers).flat();
