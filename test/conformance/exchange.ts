import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { blobBytes } from "./tensor-bytes.ts";
import type { Blob, ConformanceCase } from "./case.ts";

/** Who is asked, and with whose keys. Cases that need a key which is not there are left out. */
export interface Target {
  /** Without a slash at the end. */
  readonly url: string;
  readonly keys: Readonly<Partial<Record<"default" | "viewer" | "application", string>>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const ANSWER_MS = 20_000;
const WRONG_KEY = `sk_000000000000_${"x".repeat(43)}`;

/** Sends a case's request. Header and length of the body follow from the case; its own headers win. */
export function send({ request, as }: ConformanceCase, { url, keys }: Target): Promise<Answer> {
  const { body, headers } = bodyOf(request);
  const key = as === "wrong" ? WRONG_KEY : as === "none" ? undefined : keys[as];
  const own = Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const all: Readonly<Record<string, string | false>> = {
    ...(body !== undefined && { "content-length": String(body.byteLength) }),
    ...headers,
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...Object.fromEntries(own),
  };
  const sent = Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === false ? [] : [[name, value]])),
  );
  const open = url.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const call = open(`${url}${request.path}`, { method: request.method, headers: sent, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    call.on("error", reject);
    call.end(body);
  });
}

function bodyOf(request: ConformanceCase["request"]): {
  readonly body?: Buffer;
  readonly headers: Readonly<Record<string, string>>;
} {
  const { json, text, binary, raw, spaces } = request;
  if (binary !== undefined) {
    const header = Buffer.from(JSON.stringify(binary.json));
    const headerLength = String(header.byteLength + binary.lengthOff);
    return { body: Buffer.concat([header, ...binary.blobs.map(blobBytes)]), headers: octets(headerLength) };
  }
  if (raw !== undefined) return { body: joined(raw), headers: octets("0") };
  const content = { "content-type": "application/json" };
  if (text !== undefined) return { body: Buffer.from(text), headers: content };
  if (json !== undefined) return { body: Buffer.from(JSON.stringify(json)), headers: content };
  if (spaces !== undefined) return { body: Buffer.alloc(spaces, " "), headers: content };
  return { headers: {} };
}

const octets = (headerLength: string) => ({
  "content-type": "application/octet-stream",
  "inference-header-content-length": headerLength,
});

const joined = (blobs: readonly Blob[]): Buffer => Buffer.concat(blobs.map(blobBytes));
