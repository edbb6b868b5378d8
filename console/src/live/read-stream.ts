import { createParser, type EventSourceMessage } from "eventsource-parser";
import { failureOf } from "../api/failure.ts";

/** A stream sends a byte every 5 s; one that is silent for so long is dead, in ms. */
const SILENCE_MS = 20_000;

/**
 * Reads server-sent events until the stream ends, breaks or `signal` is aborted. `fetch` instead of EventSource: it can
 * resume after a pause that this page made, and says why a stream was refused. Throws `ApiFailure` when it was.
 */
export async function readStream(
  url: string,
  on: {
    readonly lastEventId: string | undefined;
    readonly signal: AbortSignal;
    readonly onOpen: () => void;
    readonly onMessages: (messages: readonly EventSourceMessage[]) => void;
  },
): Promise<void> {
  const silence = new AbortController();
  const signal = AbortSignal.any([on.signal, silence.signal]);
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const response = await fetch(url, {
      headers: {
        Accept: "text/event-stream",
        ...(on.lastEventId !== undefined && { "Last-Event-ID": on.lastEventId }),
      },
      cache: "no-store",
      signal,
    });
    if (!response.ok || response.body === null) throw await failureOf(response);
    on.onOpen();
    let batch: EventSourceMessage[] = [];
    const parser = createParser({ onEvent: (message) => batch.push(message) });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      parser.feed(value);
      if (batch.length > 0) on.onMessages(batch);
      batch = [];
    }
  } finally {
    clearTimeout(timer);
  }
}
