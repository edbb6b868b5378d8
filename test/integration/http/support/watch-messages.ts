import type { EventStream } from "./event-stream.ts";

export interface Message {
  readonly id: string | undefined;
  readonly event: string;
  readonly name: string | undefined;
  readonly data: unknown;
}

/** The next message of a watch; undefined when the stream ended. */
export async function nextMessage(stream: EventStream): Promise<Message | undefined> {
  const text = await stream.next();
  if (text === undefined) return undefined;
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1];
  const data = JSON.parse(field("data") ?? "{}") as { readonly name?: string };
  return { id: field("id"), event: field("event") ?? text, name: data.name, data };
}

/** The messages up to the next bookmark, and the place that it marks. */
export async function untilBookmark(stream: EventStream): Promise<{ seen: readonly string[]; id: string }> {
  const seen: string[] = [];
  for (let message = await nextMessage(stream); message; message = await nextMessage(stream)) {
    if (message.event === "bookmark") return { seen, id: message.id ?? "" };
    seen.push(message.name === undefined ? message.event : `${message.event} ${message.name}`);
  }
  throw new Error("the stream ended before a bookmark");
}
