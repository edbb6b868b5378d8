import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** What a request for a completion meets. The name of the prompt. */
type Fault = (response: ServerResponse, request: IncomingMessage) => void;

const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
const chunk = (text: string, reason: string | null = null): string =>
  event({ id: "c", object: "text_completion", created: 1, choices: [{ index: 0, text, finish_reason: reason }] });
const refused =
  (status: number, body: object | string): Fault =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
const streamed =
  (then: (response: ServerResponse) => void): Fault =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunk("a"));
    then(response);
  };

/** `JSON.parse` reads it, `JSON.stringify` does not write it. */
const DEEP = `${'{"a":'.repeat(100_000)}0${"}".repeat(100_000)}`;

/** Faults that a real engine cannot be brought to on demand, by the prompt that asks for them. */
const FAULTS: Readonly<Record<string, Fault>> = {
  "no head": () => undefined,
  "no event": (response) => response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders(),
  "cut before the head": (response) => void response.socket?.destroy(),
  "cut within": streamed((response) => setImmediate(() => response.socket?.destroy())),
  "end within": streamed((response) => response.end()),
  "silent within": streamed(() => undefined),
  "comments within": streamed((response) => {
    const comments = setInterval(() => response.write(": keep-alive\n\n"), 5);
    response.once("close", () => clearInterval(comments));
  }),
  "no done": streamed((response) => response.end(chunk("b", "stop"))),
  "all at once": (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(`${chunk("a")}${chunk("b")}${chunk("c", "stop")}data: [DONE]\n\n`);
  },
  "no end": streamed((response) => response.write(`${chunk("b", "stop")}data: [DONE]\n\n`)),
  "a field too deep": streamed((response) =>
    response.end(`data: {"choices":[{"index":0,"text":"b","finish_reason":"stop"}],"deep":${DEEP}}\n\n`),
  ),
  // Its parts can be put together, and the whole of them cannot be written.
  "a message too deep": streamed((response) =>
    response.end(
      `data: {"choices":[{"index":0,"delta":${'{"a":'.repeat(3_000)}0${"}".repeat(3_000)},"finish_reason":"stop"}]}\n\n`,
    ),
  ),
  "an error within": streamed((response) => response.end(event({ error: { message: "out of memory", code: 500 } }))),
  "an error in its own field": streamed((response) => response.end('error: {"message":"out of memory"}\n\n')),
  "nonsense within": streamed((response) => response.end("data: {nonsense\n\n")),
  "an endless event": streamed((response) => response.end(`data: ${"x".repeat(2_000_000)}`)),
  "no stream": refused(200, { choices: [] }),
  busy: refused(429, { error: { message: "too many requests" } }),
  loading: refused(503, { error: { message: "Loading model" } }),
  "bad request": refused(400, { error: { message: "`top_k` must be \u001b[31mpositive" } }),
  unprocessable: refused(422, { detail: [{ msg: "field required" }] }),
  failed: refused(500, "<html>Internal Server Error</html>"),
  redirect: (response) => void response.writeHead(307, { location: "http://127.0.0.1:1/" }).end(),
  key: refused(401, { error: { message: "Invalid API key sk-secret" } }),
  flood: streamed((response) => {
    const write = (): void => {
      while (!response.destroyed && response.write(chunk("x".repeat(10_000))));
      if (!response.destroyed) response.once("drain", write);
    };
    write();
  }),
};

/** An engine that lists one model and meets each completion of it with the fault that its prompt names. */
export class FaultyEngine {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Requests that meet a fault and whose connection is open. */
  open = 0;
  /** Keys that requests brought. */
  readonly keys = new Set<string | undefined>();
  models: readonly string[] = ["m"];
  /** Its page of metrics. */
  metrics = "";
  /** What it says of its slots; undefined: nothing is there. */
  props: string | undefined;
  /** What a request for a chat meets, as a model is tried by one. Undefined: nothing ill. */
  trial: string | undefined;
  /** Looks are not answered. */
  isSilent = false;

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<FaultyEngine> {
    const engine = new FaultyEngine();
    await new Promise<void>((resolve) => engine.#server.listen(0, "127.0.0.1", resolve));
    return engine;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.keys.add(request.headers.authorization);
    if (request.method === "GET") {
      if (this.isSilent) return;
      if (request.url === "/v1/models") response.end(JSON.stringify({ data: this.models.map((id) => ({ id })) }));
      else if (request.url === "/metrics") response.end(this.metrics);
      else if (request.url === "/props" && this.props !== undefined) response.end(this.props);
      else response.writeHead(404).end();
      return;
    }
    if (request.url === "/v1/chat/completions" && this.trial === undefined)
      return void request.resume().once("end", () => response.end("{}"));
    this.open += 1;
    response.once("close", () => (this.open -= 1));
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { prompt = this.trial ?? "" } = JSON.parse(Buffer.concat(parts).toString()) as { prompt?: string };
      FAULTS[prompt]?.(response, request);
    });
  }
}
