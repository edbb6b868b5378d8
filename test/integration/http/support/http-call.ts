import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly bytes: Buffer;
  /** The body as JSON; undefined when it is none. */
  readonly body: any; // eslint-disable-line typescript/no-explicit-any -- what a test expects of it is the test
}

export interface Call {
  readonly key?: string | undefined;
  readonly body?: unknown;
  readonly bytes?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request to this machine whose body and answer the test handles itself. Each has a connection of its own. */
export function openCall(
  port: number,
  [method, path]: readonly [string, string],
  { key, headers = {} }: Omit<Call, "body" | "bytes"> = {},
): ClientRequest {
  const authorization = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  return httpRequest({
    host: "127.0.0.1",
    port,
    method,
    path,
    agent: false,
    headers: { ...authorization, ...headers },
  });
}

/** A request with its whole answer. */
export function callAt(
  port: number,
  what: readonly [string, string],
  { body, bytes, ...call }: Call = {},
): Promise<Answer> {
  const sent = bytes ?? (body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  const length = sent ? { "Content-Length": String(sent.length) } : {};
  const request = openCall(port, what, { ...call, headers: { ...type, ...length, ...call.headers } });
  const answer = answerOf(request);
  request.end(sent);
  return answer;
}

/** The cookie that an answer sets, as a browser sends it back. */
export const cookieOf = ({ headers }: Answer): string => headers["set-cookie"]?.[0]?.split(";")[0] ?? "";

/** The whole answer to a request. Rejects when the connection breaks before it. */
export function answerOf(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        const bytes = Buffer.concat(pieces);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes,
          body: parsed(bytes, response.headers),
        });
      });
    });
  });
}

function parsed(bytes: Buffer, headers: IncomingMessage["headers"]): unknown {
  // A test that asks for compression inflates the bytes itself.
  if (bytes.length === 0 || headers["content-encoding"] !== undefined) return undefined;
  return (headers["content-type"] ?? "").includes("json") ? JSON.parse(bytes.toString()) : undefined;
}
