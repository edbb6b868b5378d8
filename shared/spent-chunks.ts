import { release } from "./release.ts";

type Bytes = Uint8Array<ArrayBufferLike>;

interface Below {
  prependListener(event: "data", listener: (chunk: Bytes) => void): unknown;
}

interface WebSocket {
  prependListener(event: "message" | "ping", listener: (data: unknown) => void): unknown;
}

/**
 * Gives back (see `release`) what a WebSocket of ws has read from the socket below it, as soon as its messages have been
 * cut out. Attach it before another listener takes a message.
 *
 * When a message ends, every chunk before the one that it ended in has been used up: ws cuts messages out and emits them
 * while it is given a chunk, as it has no compression to wait for. A message in one piece is a view of its chunk; that
 * chunk is left to the collector, for nobody knows how long the message is used. So is that of a ping, which ws sends back.
 */
export function releaseSpentChunks(webSocket: WebSocket, below: Below): void {
  /** From the first that may still be needed to the newest. ws bounds how many it holds (`maxBufferedChunks`). */
  let chunks: Bytes[] = [];
  below.prependListener("data", (chunk) => chunks.push(chunk));
  const used = (data: unknown): void => {
    const newest = chunks.pop();
    for (const chunk of chunks) release(chunk);
    const isView = !(data instanceof Uint8Array) || data.buffer === newest?.buffer;
    chunks = newest === undefined || isView ? [] : [newest];
  };
  webSocket.prependListener("message", used);
  webSocket.prependListener("ping", used);
}
