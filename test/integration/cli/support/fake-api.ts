import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

export interface Asked {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

type Handler = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

/** A real HTTP server that answers what a test tells it to, and remembers what it was asked. */
export class FakeApi {
  readonly asked: Asked[] = [];
  readonly #routes = new Map<string, Handler>();
  readonly #streams = new Set<string>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("the server has no address");
    return `http://127.0.0.1:${address.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** `route`: `GET /api/v1/nodes`, without the query. The answer is JSON, or what a handler writes. */
  on(route: string, answer: unknown, options: { status?: number; headers?: Record<string, string> } = {}): void {
    this.#routes.set(route, (asked, response, request) => {
      if (typeof answer === "function") return (answer as Handler)(asked, response, request);
      json(response, options.status ?? 200, answer, options.headers);
    });
  }

  /** Like `on`, but the handler reads the body itself. */
  onStream(route: string, handler: Handler): void {
    this.#streams.add(route);
    this.#routes.set(route, handler);
  }

  problem(route: string, status: number, code: string, detail: string): void {
    const problem = { type: "t", title: "t", status, detail, code, fix: "the fix", docs: "d", requestId: "r-1" };
    this.on(route, problem, { status, headers: { "Content-Type": "application/problem+json" } });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? "";
    const path = request.url ?? "";
    const route = `${method} ${path.split("?")[0]}`;
    const pieces: Buffer[] = [];
    if (!this.#streams.has(route)) for await (const piece of request) pieces.push(piece as Buffer);
    const asked = { method, path, headers: request.headers, body: Buffer.concat(pieces) };
    this.asked.push(asked);
    const handler = this.#routes.get(route);
    if (handler === undefined)
      return json(response, 404, notFound(route), { "Content-Type": "application/problem+json" });
    await handler(asked, response, request);
  }
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(body === undefined ? "" : JSON.stringify(body));
}

function notFound(route: string): object {
  return {
    type: "t",
    title: "t",
    status: 404,
    detail: `${route} is not there`,
    code: "NOT_FOUND",
    fix: "the fix",
    docs: "d",
    requestId: "r-1",
  };
}
