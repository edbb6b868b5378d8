import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { Kubernetes } from "./kubernetes.ts";

/** One request that came through. */
export interface SeenRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: string;
  readonly isWatch: boolean;
  readonly isRefused: boolean;
}

/** Between a client and the API server: sees every request, floods, and cuts watches. */
export class ApiProxy {
  readonly url: string;
  readonly seen: SeenRequest[] = [];
  /** Whether a watch stays open, silent, when the API server breaks its end of it. */
  holdsWatches = false;
  readonly #kubernetes: Kubernetes;
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  readonly #watches = new Set<ServerResponse>();
  #retryAfterSeconds: number | undefined;

  private constructor(kubernetes: Kubernetes, server: Server) {
    this.#kubernetes = kubernetes;
    this.#server = server;
    this.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (asked: IncomingMessage, answer: ServerResponse) => this.#handle(asked, answer));
  }

  static async start(kubernetes: Kubernetes): Promise<ApiProxy> {
    const file = (name: string): Promise<Buffer> => readFile(path.join(kubernetes.directory, "certs", name));
    const server = createServer({ cert: await file("apiserver.crt"), key: await file("apiserver.key") });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ApiProxy(kubernetes, server);
  }

  /** Answers 429 to everything from now on, and breaks the watches. */
  flood(retryAfterSeconds: number): void {
    this.#retryAfterSeconds = retryAfterSeconds;
    for (const watch of this.#watches) watch.destroy();
  }

  calm(): void {
    this.#retryAfterSeconds = undefined;
  }

  /** As the API server does after a while: their answers end in good order. */
  endWatches(): void {
    for (const watch of this.#watches) watch.end();
  }

  /** Requests since `from` that change the object of this name, or something below it. */
  writesOf(name: string, from = 0): readonly SeenRequest[] {
    return this.seen.slice(from).filter((each) => each.method !== "GET" && each.path.split("/").includes(name));
  }

  /** Requests since `from` that list a whole kind. */
  listsOf(plural: string, from = 0): readonly SeenRequest[] {
    return this.seen
      .slice(from)
      .filter((each) => each.method === "GET" && !each.isWatch && each.path.endsWith(`/${plural}`));
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #handle(asked: IncomingMessage, answer: ServerResponse): void {
    const { method = "GET", url = "/" } = asked;
    const [path = "", query = ""] = url.split("?");
    const isWatch = query.includes("watch=true");
    const isRefused = this.#retryAfterSeconds !== undefined;
    this.seen.push({ method, path, query, isWatch, isRefused });
    if (isRefused) {
      asked.resume();
      answer.writeHead(429, { "content-type": "application/json", "retry-after": String(this.#retryAfterSeconds) });
      answer.end(JSON.stringify({ kind: "Status", code: 429, message: "too many requests" }));
      return;
    }
    if (isWatch) {
      this.#watches.add(answer);
      answer.on("close", () => this.#watches.delete(answer));
    }
    const lose = (): void => {
      if (!isWatch || !this.holdsWatches) answer.destroy();
    };
    const headers = { ...asked.headers, host: new URL(this.#kubernetes.url).host };
    const forwarded = request(this.#kubernetes.url + url, { method, headers, agent: this.#agent }, (from) => {
      answer.writeHead(from.statusCode ?? 502, from.headers);
      // A watch begins before anything happens.
      answer.flushHeaders();
      from.on("data", (part: Buffer) => answer.write(part));
      from.on("end", () => (isWatch && this.holdsWatches ? undefined : answer.end()));
      from.on("error", lose);
    });
    forwarded.on("error", lose);
    answer.on("close", () => forwarded.destroy());
    asked.pipe(forwarded);
  }
}
