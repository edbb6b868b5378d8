import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { readFile } from "node:fs/promises";
import { messageOf } from "../../../shared/base/errors.ts";
import { hostFailure } from "../../app/hosts/host-failure.ts";
import type { EngineSetting } from "../../../shared/text/engine-setting.ts";
import { engineFailure } from "./engine-failure.ts";

/** A connection of a machine next to this one is there within milliseconds. */
const CONNECT_MS = 5_000;
/**
 * Far beyond the requests that its models are given at once, each of which waits where it has a priority and a deadline: one
 * that waited for a connection would have neither.
 */
const MAX_SOCKETS = 4_096;
/** A connection that was closed while it was idle ends a request so soon, in ms; one that the request itself ended may take longer. */
const STALE_MS = 500;
const MAX_KEY_BYTES = 8_192;

interface Asked {
  readonly method: "GET" | "POST";
  /** With the slash at its beginning; or a URL of another server that belongs to the engine. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Lent until the answer has ended. */
  readonly body?: Uint8Array;
  /** Until status and headers of the answer are here, in ms. */
  readonly headMs: number;
}

/** A request that is under way at an engine. */
export interface EngineExchange {
  /** Status and headers; the body follows. Rejects with `engineFailure`. */
  readonly head: Promise<IncomingMessage>;
  /** Resolves when the system has taken all bytes of the request, or it was given up. */
  readonly sent: Promise<void>;
  /** Closes the connection, which is how an engine learns that nobody wants the answer. Does nothing after the end. */
  readonly close: () => void;
}

/**
 * Asks one engine over HTTP/1.1. Node's own client: it hands over bytes as they come, without the web streams that
 * `fetch` puts between, and closes a connection at once. Redirects are not followed: an answer that is one
 * is an error.
 */
export class EngineClient {
  readonly #setting: EngineSetting;
  readonly #agents = new Map<"requests" | "looks" | "once", HttpAgent>();
  readonly #isSecure: boolean;
  #key: string | undefined;

  constructor(setting: EngineSetting) {
    this.#setting = setting;
    this.#isSecure = setting.url.startsWith("https:");
    const make = (options: { keepAlive: boolean; maxSockets: number }): HttpAgent =>
      this.#isSecure ? new HttpsAgent(options) : new HttpAgent(options);
    this.#agents.set("requests", make({ keepAlive: true, maxSockets: MAX_SOCKETS }));
    // Where all connections are taken, whether the engine lives is still asked.
    this.#agents.set("looks", make({ keepAlive: true, maxSockets: 2 }));
    this.#agents.set("once", make({ keepAlive: false, maxSockets: MAX_SOCKETS }));
  }

  /** `openai engine at 127.0.0.1:8000`, for sentences. */
  get name(): string {
    return `${this.#setting.api} engine at ${new URL(this.#setting.url).host}`;
  }

  /** Where its metrics are. */
  get metricsPath(): string {
    return this.#setting.metrics ?? "/metrics";
  }

  /** Reads the key again, so that a new one is used without a restart. Throws ENGINE_CONFIG when it cannot be read. */
  async readKey(): Promise<void> {
    const { keyFile } = this.#setting;
    if (keyFile === undefined) return;
    const text = await readFile(keyFile, "utf8").then(
      (read) => read.trim(),
      (error: unknown) => {
        throw hostFailure("ENGINE_CONFIG", `the key file of the ${this.name} cannot be read: ${messageOf(error)}`);
      },
    );
    if (text === "" || text.length > MAX_KEY_BYTES || !/^[\u0021-\u007e]+$/.test(text))
      throw hostFailure("ENGINE_CONFIG", `${keyFile} has to hold one key of visible ASCII characters`);
    this.#key = text;
  }

  /** `isLook`: a question of our own about the engine, not a caller's request. */
  ask(asked: Asked, { isLook = false }: { readonly isLook?: boolean } = {}): EngineExchange {
    let current: ClientRequest | undefined;
    let isClosed = false;
    const startedAt = performance.now();
    const sent = Promise.withResolvers<void>();
    const head = this.#send(asked, isLook ? "looks" : "requests", (request) => (current = request)).catch(
      (error: unknown) => {
        // The engine had closed an idle connection, and this request was just put on it: it has not seen it.
        const isStale = performance.now() - startedAt < STALE_MS && wasReset(error, current);
        if (isClosed || !isStale) throw this.#failure(error);
        return this.#send(asked, "once", (request) => (current = request)).catch((again: unknown) => {
          throw this.#failure(again);
        });
      },
    );
    head.then(
      () =>
        current?.writableFinished === true
          ? sent.resolve()
          : current?.once("finish", sent.resolve).once("close", sent.resolve),
      () => sent.resolve(),
    );
    return {
      head,
      sent: sent.promise,
      close: () => {
        isClosed = true;
        current?.destroy();
      },
    };
  }

  /** Ends idle connections. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #send(
    { method, path, headers = {}, body, headMs }: Asked,
    pool: "requests" | "looks" | "once",
    onRequest: (request: ClientRequest) => void,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      let wasSent = false;
      const isOwn = path.startsWith("/");
      const url = isOwn ? `${this.#setting.url}${path}` : path;
      const isSecure = url.startsWith("https:");
      const send = isSecure ? httpsRequest : httpRequest;
      const request = send(url, {
        method,
        // Another server gets a connection for each question, and no key.
        agent: isOwn ? this.#agents.get(pool) : false,
        headers: {
          ...headers,
          ...(isOwn && this.#key !== undefined && { Authorization: `Bearer ${this.#key}` }),
          ...(body !== undefined && { "Content-Length": body.byteLength }),
        },
      });
      const fail = (message: string): void => void request.destroy(new Error(message));
      const headTimer = setTimeout(() => fail(`it did not answer within ${headMs} ms`), headMs);
      let connectTimer: NodeJS.Timeout | undefined;
      const clear = (): void => {
        clearTimeout(headTimer);
        clearTimeout(connectTimer);
      };
      request.on("socket", (socket) => {
        if (!socket.connecting) return void (wasSent = true);
        connectTimer = setTimeout(() => fail(`no connection within ${CONNECT_MS} ms`), CONNECT_MS);
        socket.once(isSecure ? "secureConnect" : "connect", () => {
          clearTimeout(connectTimer);
          wasSent = true;
        });
      });
      request.once("response", (response) => {
        clear();
        // It may be destroyed after this: its reader hears of it by `close`.
        response.on("error", () => undefined);
        resolve(response);
      });
      request.on("error", (error) => {
        clear();
        reject(Object.assign(error, { wasSent }));
      });
      request.once("close", () => {
        clear();
        reject(Object.assign(new Error("the connection was closed"), { wasSent }));
      });
      onRequest(request);
      request.end(body);
    });
  }

  #failure(error: unknown): Error {
    // By Node itself, not by `instanceof`: realms differ under Jest.
    const wasSent = Error.isError(error) && "wasSent" in error && error.wasSent === true;
    return engineFailure(
      `the ${this.name} could not be asked: ${Error.isError(error) ? error.message : String(error)}`,
      { wasSent },
    );
  }
}

const wasReset = (error: unknown, request: ClientRequest | undefined): boolean =>
  request?.reusedSocket === true && Error.isError(error) && "code" in error && error.code === "ECONNRESET";
