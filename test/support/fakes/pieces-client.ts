import { Agent, type IncomingMessage, request as httpRequest } from "node:http";

interface Target {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const agent = new Agent({ keepAlive: true, maxSockets: 4_096 });

export interface Begun {
  readonly status: number;
  /** From the request to the first byte of the body, in ms. */
  readonly firstMs: number;
  /** Reads the rest: how many bytes there were in all, and how long it took from the request on. */
  rest(): Promise<{ readonly bytes: number; readonly ms: number }>;
  /** Goes away without a word; resolves with when that was, in ms since 1970. */
  vanish(): number;
}

const now = (): number => performance.timeOrigin + performance.now();

/** Asks, and resolves with the first piece of the answer. Nothing more is read before `rest`. */
export function begin({ port, path, headers, body }: Target): Promise<Begun> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const asked = httpRequest({ port, path, method: "POST", headers, agent }, (answer: IncomingMessage) => {
      let bytes = 0;
      const ended = new Promise<{ bytes: number; ms: number }>((done, broke) => {
        answer.once("end", () => done({ bytes, ms: performance.now() - startedAt }));
        answer.once("error", broke);
      });
      ended.catch(() => undefined);
      answer.on("data", (piece: Buffer) => {
        bytes += piece.byteLength;
        if (bytes > piece.byteLength) return;
        answer.pause();
        resolve({
          status: answer.statusCode ?? 0,
          firstMs: performance.now() - startedAt,
          rest() {
            answer.resume();
            return ended;
          },
          vanish() {
            const at = now();
            asked.destroy();
            return at;
          },
        });
      });
    });
    asked.once("error", reject);
    asked.end(body);
  });
}
