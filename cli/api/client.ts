import { randomUUID } from "node:crypto";
import type { z } from "zod";
import { EXIT } from "../exit-codes.ts";
import { CliFailure, interruptedFailure } from "../failure.ts";
import { parseExactly, stringifyExactly } from "./exact-json.ts";
import { isCutConnection, networkFailure } from "./network-failure.ts";
import { ApiFailure } from "./problem.ts";

/** Which server, with which key, and who said so. */
export interface Target {
  /** Origin and path prefix, without a slash at the end. */
  readonly server: string;
  readonly apiKey: string | undefined;
  /** Certificates of the authorities that may vouch for it, PEM; left out: those of the machine. */
  readonly ca?: string | undefined;
  /** For error messages: `from SKERRY_SERVER`. */
  readonly source: string;
}

export interface Call {
  readonly body?: unknown;
  readonly bytes?: { readonly type: string; readonly content: Uint8Array<ArrayBuffer> };
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Overrides the client's time limit. */
  readonly timeoutMs?: number;
}

export interface ApiResponse {
  readonly status: number;
  /** Parsed JSON; the text when it is none; undefined when there is no body. */
  readonly body: unknown;
  readonly headers: Headers;
}

/** Attempts for a question that may be asked twice without harm. */
const ATTEMPTS = 3;

/** Speaks to one control plane. An error answer is thrown as `ApiFailure`, no answer as `CliFailure`. */
export class ApiClient {
  readonly target: Target;
  readonly #timeoutMs: number;
  /** Goes with every change. */
  readonly #reason: string | undefined;
  readonly #signal: AbortSignal;

  constructor(
    target: Target,
    options: { readonly timeoutMs: number; readonly reason?: string | undefined; readonly signal: AbortSignal },
  ) {
    this.target = target;
    this.#timeoutMs = options.timeoutMs;
    this.#reason = options.reason;
    this.#signal = options.signal;
  }

  get(path: string, query: Call["query"] = {}): Promise<ApiResponse> {
    return this.call("GET", path, { query });
  }

  /** With an Idempotency-Key, so that a lost answer can be asked for again without doing the work twice. */
  post(path: string, body: unknown = {}): Promise<ApiResponse> {
    return this.call("POST", path, { body, headers: { "Idempotency-Key": randomUUID() } });
  }

  /** `etag`: what the object must still be; null: whatever it is. */
  put(path: string, body: unknown, etag: string | null = null): Promise<ApiResponse> {
    return this.call("PUT", path, { body, headers: etag === null ? {} : { "If-Match": etag } });
  }

  patch(path: string, body: object, etag: string | null = null): Promise<ApiResponse> {
    return this.call("PATCH", path, { body, headers: etag === null ? {} : { "If-Match": etag } });
  }

  delete(path: string, etag: string | null = null): Promise<ApiResponse> {
    return this.call("DELETE", path, { headers: etag === null ? {} : { "If-Match": etag } });
  }

  /** Asks and reads the whole answer. */
  async call(method: string, path: string, call: Call = {}): Promise<ApiResponse> {
    const repeatable = method === "GET" || method === "HEAD" || call.headers?.["Idempotency-Key"] !== undefined;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await this.#fetch(method, path, call);
        const answer = { status: response.status, body: await readBody(response), headers: response.headers };
        if (!response.ok)
          throw new ApiFailure(answer.status, answer.body, { method, url: response.url }, answer.headers);
        return answer;
      } catch (error) {
        if (repeatable && attempt < ATTEMPTS && isCutConnection(error)) continue;
        throw this.#inWords(error, call);
      }
    }
  }

  /** Asks and reads the whole answer as bytes. */
  async exchange(
    method: string,
    path: string,
    call: Call = {},
  ): Promise<{ readonly body: Uint8Array; readonly headers: Headers }> {
    try {
      const response = await this.#fetch(method, path, call);
      if (response.ok) return { body: new Uint8Array(await response.arrayBuffer()), headers: response.headers };
      throw new ApiFailure(response.status, await readBody(response), { method, url: response.url }, response.headers);
    } catch (error) {
      throw this.#inWords(error, call);
    }
  }

  /** Asks and hands over the body as it arrives. The caller reads or cancels it. With a body it is a POST. */
  async stream(path: string, call: Call & { readonly signal?: AbortSignal } = {}): Promise<Response> {
    const method = call.body === undefined ? "GET" : "POST";
    try {
      const response = await this.#fetch(method, path, { ...call, timeoutMs: Infinity }, call.signal);
      if (!response.ok)
        throw new ApiFailure(
          response.status,
          await readBody(response),
          { method, url: response.url },
          response.headers,
        );
      return response;
    } catch (error) {
      throw this.#inWords(error, call);
    }
  }

  /** The full address of a path of the API. */
  url(path: string, query: Call["query"] = {}): string {
    const url = new URL(`${this.target.server}${path}`);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    return url.href;
  }

  #fetch(method: string, path: string, call: Call, extraSignal?: AbortSignal): Promise<Response> {
    const headers = new Headers({ "User-Agent": "skerry-cli", Accept: "application/json", ...call.headers });
    if (this.target.apiKey !== undefined) headers.set("Authorization", `Bearer ${this.target.apiKey}`);
    const init: RequestInit = {
      method,
      headers,
      redirect: "error",
      signal: this.#signals(call.timeoutMs ?? this.#timeoutMs, extraSignal),
    };
    if (call.bytes !== undefined) {
      headers.set("Content-Type", call.bytes.type);
      init.body = call.bytes.content;
    } else if (call.body !== undefined) {
      headers.set("Content-Type", "application/json");
      init.body = stringifyExactly(call.body);
    }
    const isExplained = isChange(method, path) && call.bytes === undefined;
    return fetch(this.url(path, { ...call.query, ...(isExplained && { reason: this.#reason }) }), init);
  }

  #signals(timeoutMs: number, extra: AbortSignal | undefined): AbortSignal {
    const signals = [this.#signal];
    if (Number.isFinite(timeoutMs)) signals.push(AbortSignal.timeout(timeoutMs));
    if (extra !== undefined) signals.push(extra);
    return AbortSignal.any(signals);
  }

  #inWords(error: unknown, call: Call): unknown {
    if (Error.isError(error) && error.name === "CliFailure") return error;
    if (this.#signal.aborted) return interruptedFailure();
    if (Error.isError(error) && error.name === "TimeoutError") {
      return new CliFailure(EXIT.error, {
        what: `no answer from ${this.target.server} within ${(call.timeoutMs ?? this.#timeoutMs) / 1000} s`,
        fix: "try again, or allow more time with `--timeout`",
      });
    }
    if (Error.isError(error) && error.name === "AbortError") return error;
    return networkFailure(error, this.target.server, this.target.source);
  }
}

/** Whether the server takes a reason with it: not with questions, nor with a login. */
const isChange = (method: string, path: string): boolean =>
  method !== "GET" && method !== "HEAD" && /^\/api\/v1\/(?!plan$|login\/)/.test(path);

/** Decodes an answer, or says that the two programs do not fit together. */
export function decode<Schema extends z.ZodType>(schema: Schema, body: unknown, what: string): z.infer<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new CliFailure(EXIT.error, {
    what: `the server's answer is not ${what} as this command line tool knows it`,
    why: issue === undefined ? [] : [`${issue.path.join(".")}: ${issue.message}`],
    fix: "compare the versions with `skerry version` and use a tool of the server's version",
  });
}

async function readBody(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === "") return undefined;
  if (!(response.headers.get("content-type") ?? "").includes("json")) return text;
  try {
    return parseExactly(text);
  } catch {
    return text;
  }
}
