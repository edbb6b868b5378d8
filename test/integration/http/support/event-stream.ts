import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";

/** An open stream, read message by message. */
export class EventStream {
  readonly #response: IncomingMessage;
  #text = "";
  #hasEnded = false;
  #wake: () => void = () => undefined;

  private constructor(response: IncomingMessage) {
    this.#response = response.setEncoding("utf8");
    response.on("data", (piece: string) => {
      this.#text += piece;
      this.#wake();
    });
    response.on("error", () => undefined);
    response.on("close", () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** Sends the request and waits for the head of its answer. */
  static async open(request: ClientRequest): Promise<EventStream> {
    request.on("error", () => undefined);
    request.end();
    const [response]: IncomingMessage[] = await once(request, "response");
    if (!response) throw new Error("there was no answer");
    return new EventStream(response);
  }

  get type(): string | undefined {
    return this.#response.headers["content-type"];
  }

  /** The next message that is no `retry` line; undefined when the stream ended. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end === -1) {
        if (this.#hasEnded) return undefined;
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      const message = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      if (!message.startsWith("retry:")) return message;
    }
  }

  async nextId(): Promise<string> {
    return /^id: (\d+)$/m.exec((await this.next()) ?? "")?.[1] ?? "";
  }

  /** Reads nothing more from the connection until `resume`. */
  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  close(): void {
    this.#response.destroy();
  }
}
