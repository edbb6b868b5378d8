import { z } from "zod";

export const STREAM_TYPE = "text/event-stream";

/** One event of a stream as its reader takes it apart; the schema of OpenAPI 3.1 describes these, not the stream. */
export const streamEvent = z
  .object({
    id: z.string().optional(),
    event: z.string().optional(),
    data: z.string().meta({ contentMediaType: "application/json" }),
  })
  .meta({ id: "StreamEvent" });

interface StreamMessage {
  /** Left out: the place to resume after stays the one before. */
  readonly id?: string;
  /** Left out: `message`. */
  readonly event?: string;
  readonly data: unknown;
}

/** The batches as a stream, for as long as the caller reads them. An empty batch keeps proxies from closing it. */
export function eventStream<Message>(
  batches: AsyncGenerator<readonly Message[]>,
  toMessage: (message: Message) => StreamMessage,
): { stream: AsyncIterable<Uint8Array>; isCompressible: true; headers: Readonly<Record<string, string>> } {
  return {
    stream: encode(batches, toMessage),
    isCompressible: true,
    headers: { "Content-Type": STREAM_TYPE, "X-Accel-Buffering": "no" },
  };
}

async function* encode<Message>(
  batches: AsyncGenerator<readonly Message[]>,
  toMessage: (message: Message) => StreamMessage,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from("retry: 2000\n\n");
  for await (const batch of batches) {
    const text = batch.map((each) => lines(toMessage(each))).join("");
    yield Buffer.from(text === "" ? ": heartbeat\n\n" : text);
  }
}

const lines = ({ id, event, data }: StreamMessage): string =>
  `${field("id", id)}${field("event", event)}data: ${JSON.stringify(data)}\n\n`;

const field = (name: string, value: string | undefined): string => (value === undefined ? "" : `${name}: ${value}\n`);
