/** Of one event, in characters. Those of engines have some hundred; with logprobs some thousand. */
const MAX_EVENT = 1_048_576;
/** Two line breaks. */
const END = /\r?\n\r?\n/g;
const END_CHARACTERS = 4;

/** The data of server-sent events, as their bytes come. Comments and other fields are left out. */
export class SseReader {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** The data of the events that these bytes end. Throws `RangeError` for an event without an end. */
  push(bytes: Uint8Array): readonly string[] {
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const found: string[] = [];
    let from = 0;
    // What is left of the bytes before has no end in it, only perhaps the beginning of one.
    END.lastIndex = Math.max(0, this.#rest.length - END_CHARACTERS + 1);
    for (let end = END.exec(text); end !== null; end = END.exec(text)) {
      const data = dataOf(text.slice(from, end.index));
      if (data !== undefined) found.push(data);
      from = END.lastIndex;
    }
    this.#rest = text.slice(from);
    if (this.#rest.length > MAX_EVENT) throw new RangeError(`an event of more than ${MAX_EVENT} characters`);
    return found;
  }
}

/** Some engines send the errors of a stream in a field of their own. */
function dataOf(event: string): string | undefined {
  if (event.startsWith("data: ") && !event.includes("\n")) return event.slice(6);
  const lines = event.split(/\r?\n/);
  const error = lines.find((line) => line.startsWith("error:"));
  if (error !== undefined) return `{"error":${error.slice(6).trim() || '""'}}`;
  const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).replace(/^ /, ""));
  return data.length === 0 ? undefined : data.join("\n");
}
