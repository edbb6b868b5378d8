import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { Credentials } from "./credentials.ts";

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1_024 * 1_024;

/** One answer of the API server. `body` is parsed JSON. */
export interface ApiResponse {
  readonly status: number;
  readonly body: unknown;
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";
/** How a PATCH is meant: applied as a field manager, or merged. */
export type ContentType = "application/json" | "application/apply-patch+yaml" | "application/merge-patch+json";

/** Requests to a Kubernetes API server over node:https, with one deadline and one bound of the answer for all of them. */
export class KubernetesApi {
  readonly #credentials: Credentials;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });
  /** A watch keeps its connection for minutes: none of those that requests wait for. */
  readonly #watchAgent = new Agent({ keepAlive: true, keepAliveMsecs: 15_000 });
  /** Until then a server that is flooded asked to be left alone; in ms of `performance.now()`. */
  #quietUntil = 0;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /**
   * Sends one request. `path` begins with `/`. Answers of 400 to 499 are returned but for 401 and 429. Throws
   * `CLUSTER_UNAVAILABLE` on 401, 429, 5xx, a broken connection, and after 10 s; after a 429 without asking the server, for
   * as long as that said.
   */
  async call(
    method: Method,
    path: string,
    body?: object,
    { contentType = "application/json" }: { readonly contentType?: ContentType } = {},
  ): Promise<ApiResponse> {
    try {
      this.#requireNoPause();
      const options = await this.#options(method, { contentType, agent: this.#agent });
      const response = await send(this.#url(path), body, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
      const answer = await answerOf(response);
      if (answer.status === 401 || answer.status === 429 || answer.status >= 500)
        throw this.#refusal(response, `${answer.status} ${messageIn(answer.body)}`);
      return answer;
    } catch (error) {
      throw unavailable(method, path, error);
    }
  }

  /**
   * Begins an answer without an end: its lines, as they arrive, until `signal` is aborted or the server ends it. Throws
   * `CLUSTER_UNAVAILABLE` when it does not begin within 10 s or breaks; yields nothing and returns the answer's status when
   * that is not 200.
   */
  async *lines(path: string, signal: AbortSignal): AsyncGenerator<string, number> {
    const begun = new AbortController();
    const timer = setTimeout(() => begun.abort(new Error("no answer in time")), TIMEOUT_MS);
    try {
      this.#requireNoPause();
      const options = await this.#options("GET", { agent: this.#watchAgent });
      const ends = AbortSignal.any([signal, begun.signal]);
      const response = await send(this.#url(path), undefined, { ...options, signal: ends });
      clearTimeout(timer);
      if (response.statusCode !== 200) {
        const { status, body } = await answerOf(response);
        if (status === 410) return status;
        throw this.#refusal(response, `${status} ${messageIn(body)}`);
      }
      yield* linesOf(response);
      return 200;
    } catch (error) {
      if (signal.aborted) return 200;
      throw unavailable("GET", path, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #requireNoPause(): void {
    const leftMs = Math.ceil(this.#quietUntil - performance.now());
    if (leftMs > 0) throw refusal("the API server asked for a pause", leftMs);
  }

  #refusal(response: IncomingMessage, message: string): SkerryError {
    const retryAfterMs = retryAfter(response);
    // A server that has just started says this of one kind, for a second; the others may be asked.
    const isOfAll = !message.includes("storage is (re)initializing");
    if (retryAfterMs !== undefined && isOfAll) this.#quietUntil = performance.now() + retryAfterMs;
    return refusal(message, retryAfterMs);
  }

  #url(path: string): URL {
    return new URL(this.#credentials.server + path);
  }

  async #options(
    method: Method,
    { contentType, agent }: { contentType?: ContentType; agent: Agent },
  ): Promise<RequestOptions> {
    const options: RequestOptions = {
      method,
      headers: { accept: "application/json", ...(contentType && { "content-type": contentType }) },
    };
    await this.#credentials.applyTo(options);
    // The agent that client-node makes is new on each call; ours keeps its connections.
    options.agent = agent;
    return options;
  }
}

/** The `message` of a Status object, cut to what a log line can carry. */
export function messageIn(body: unknown): string {
  const isStatus = typeof body === "object" && body !== null && "message" in body;
  return isStatus && typeof body.message === "string" ? body.message.slice(0, 300) : "";
}

const refusal = (message: string, retryAfterMs: number | undefined): SkerryError =>
  new SkerryError("CLUSTER_UNAVAILABLE", message, retryAfterMs === undefined ? {} : { retryAfterMs });

function unavailable(method: Method, path: string, cause: unknown): SkerryError {
  const why = Error.isError(cause) ? cause.message : String(cause);
  const retryAfterMs = cause instanceof SkerryError ? cause.retryAfterMs : undefined;
  return new SkerryError("CLUSTER_UNAVAILABLE", `${method} ${path.replace(/\?.*$/, "")}: ${why}`, {
    cause,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** What a server that is flooded asks for. One that has just started asks for 5 s with its 503s and is there sooner. */
function retryAfter({ headers, statusCode }: IncomingMessage): number | undefined {
  const seconds = Number(headers["retry-after"]);
  const isFlooded = statusCode === 429 && Number.isFinite(seconds) && seconds > 0;
  return isFlooded ? Math.min(seconds, 60) * 1_000 : undefined;
}

function send(url: URL, body: object | undefined, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, options, resolve);
    request.on("error", reject);
    const text = body === undefined ? "" : JSON.stringify(body);
    // Said by us: node:http sends the body of a DELETE without a length otherwise, and the server takes it for a request.
    if (text !== "") request.setHeader("content-length", Buffer.byteLength(text));
    request.end(text);
  });
}

async function answerOf(response: IncomingMessage): Promise<ApiResponse> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error("the answer is over 64 MiB");
    parts.push(part);
  }
  const status = response.statusCode ?? 0;
  try {
    return { status, body: JSON.parse(Buffer.concat(parts).toString("utf8") || "null") };
  } catch (error) {
    throw new Error(`the answer of status ${status} is not JSON`, { cause: error });
  }
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding("utf8");
  let rest = "";
  for await (const text of response as AsyncIterable<string>) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_ANSWER_BYTES) throw new Error("a line of the answer is over 64 MiB");
    yield* lines;
  }
}
