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
 * while it is given a chunk, as it has no compression to wait for. A message in one piece is a view of its chunk. Where
 * messages are kept beyond their event, that chunk is left to the collector; so is that of a ping, which ws sends back.
 */
export function releaseSpentChunks(
  webSocket: WebSocket,
  { below, messagesAreKept }: { readonly below: Below; readonly messagesAreKept: boolean },
): void {
  /** From the first that may still be needed to the newest. ws bounds how many it holds (`maxBufferedChunks`). */
  let chunks: Bytes[] = [];
  const cutOut = (data: unknown, isKept: boolean): void => {
    const newest = chunks.pop();
    for (const chunk of chunks) release(chunk);
    const isView = !(data instanceof Uint8Array) || data.buffer === newest?.buffer;
    chunks = newest === undefined || (isKept && isView) ? [] : [newest];
  };
  below.prependListener("data", (chunk) => chunks.push(chunk));
  webSocket.prependListener("message", (data) => cutOut(data, messagesAreKept));
  webSocket.prependListener("ping", (data) => cutOut(data, true));
}
