import type { IncomingMessage } from "node:http";
import { allocate, type OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import { engineFailure } from "./engine-failure.ts";

interface Bounds {
  readonly maxBytes: number;
  /** For all of it. */
  readonly withinMs: number;
  /** Closes the connection. */
  readonly close: () => void;
  /** For sentences. */
  readonly engine: string;
}

/** All bytes of a body. Rejects with `engineFailure` when it is cut or too slow, and with `RangeError` when it is too long. */
export function readAnswer(
  response: IncomingMessage,
  { maxBytes, withinMs, close, engine }: Bounds,
): Promise<OwnedBytes> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      how();
    };
    const fail = (error: Error): void =>
      settle(() => {
        reject(error);
        close();
      });
    const timer = setTimeout(
      () => fail(engineFailure(`the ${engine} did not end its answer within ${withinMs} ms`, { wasSent: true })),
      withinMs,
    );
    response.on("data", (chunk: Uint8Array) => {
      length += chunk.byteLength;
      if (length > maxBytes) return fail(new RangeError(`an answer of more than ${maxBytes} bytes`));
      chunks.push(chunk);
    });
    response.once("end", () => settle(() => resolve(joined(chunks, length))));
    response.once("close", () =>
      fail(engineFailure(`the ${engine} closed the connection within an answer`, { wasSent: true })),
    );
  });
}

function joined(chunks: readonly Uint8Array[], length: number): OwnedBytes {
  const all = allocate(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}
