import { WebSocket } from "ws";
import { until } from "./skerry-process.ts";

/** Asks a process that was started with `--inspect=127.0.0.1:PORT` what it still holds once its garbage is gone. */
export class HeapProbe {
  readonly #webSocket: WebSocket;
  #lastId = 0;

  private constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
  }

  static async open(port: number): Promise<HeapProbe> {
    const list = await until("the inspector listens", async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/json/list`).catch(() => undefined);
      return answer?.ok ? ((await answer.json()) as { webSocketDebuggerUrl: string }[]) : undefined;
    });
    const webSocket = new WebSocket(list[0]?.webSocketDebuggerUrl ?? "");
    await new Promise((resolve, reject) => webSocket.once("open", resolve).once("error", reject));
    return new HeapProbe(webSocket);
  }

  /** In MiB, after a full collection. */
  async heapMiB(): Promise<number> {
    await this.#call("HeapProfiler.collectGarbage", {});
    const { result } = await this.#call("Runtime.evaluate", { expression: "process.memoryUsage().heapUsed" });
    return Number(result?.value) / 1_048_576;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#webSocket.once("close", resolve));
    this.#webSocket.close();
    await closed;
  }

  #call(method: string, params: object): Promise<{ result?: { value?: unknown } }> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const onMessage = (data: Buffer): void => {
        const message = JSON.parse(data.toString("utf8")) as { id?: number; result: { result?: { value?: unknown } } };
        if (message.id !== id) return;
        this.#webSocket.off("message", onMessage);
        resolve(message.result);
      };
      this.#webSocket.on("message", onMessage);
      this.#webSocket.send(JSON.stringify({ id, method, params }));
    });
  }
}
