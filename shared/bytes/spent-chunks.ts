import { own, release } from "./owned-bytes.ts";

type Bytes = Uint8Array<ArrayBufferLike>;

interface Below {
  prependListener(event: "data", listener: (chunk: Bytes) => void): unknown;
}

interface WebSocket {
  readonly readyState: number;
  readonly OPEN: number;
  prependListener(event: "message" | "ping" | "pong", listener: (data: unknown) => void): unknown;
}

/**
 * Releases (see `release`) what a WebSocket of ws has read from the socket below it, as soon as its messages have been
 * cut out. Attach it before another listener takes a message.
 *
 * When a message has ended, every chunk before the one that it ended in has been used up: ws cuts messages out and emits
 * them while it is given a chunk, as it has no compression to wait for. A message in one piece is a view of its chunk, and
 * where messages are kept beyond their event that chunk is left to the collector. Nothing is released on a ping or pong:
 * either may come between the parts of a message, and ws sends a ping's data back.
 */
export function releaseSpentChunks(
  webSocket: WebSocket,
  { below, messagesAreKept }: { readonly below: Below; readonly messagesAreKept: boolean },
): void {
  /** From the first that may still be needed to the newest. ws bounds how many a message may take (`maxBufferedChunks`). */
  let chunks: Bytes[] = [];
  const forget = (): void => {
    chunks = [];
  };
  below.prependListener("data", (chunk) => {
    // A socket that closes reads on, and throws away: there will be no message any more.
    if (webSocket.readyState === webSocket.OPEN) chunks.push(chunk);
    else forget();
  });
  webSocket.prependListener("message", (data) => {
    if (!(data instanceof Uint8Array)) return forget();
    const newest = chunks.pop();
    for (const chunk of chunks) if (chunk.buffer !== data.buffer) release(own(chunk));
    const isView = data.buffer === newest?.buffer;
    chunks = newest === undefined || (messagesAreKept && isView) ? [] : [newest];
  });
  webSocket.prependListener("ping", forget);
  webSocket.prependListener("pong", forget);
}
