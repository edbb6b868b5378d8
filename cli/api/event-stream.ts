/** One message of a `text/event-stream` (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export interface StreamMessage {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** Splits a body into its messages. Comments (keep-alives) are dropped; an unfinished message at the end is, too. */
export async function* readEventStream(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamMessage> {
  const decoder = new TextDecoder();
  let text = "";
  let fields: Fields = { id: undefined, event: "message", data: [] };
  for await (const bytes of body) {
    text += decoder.decode(bytes, { stream: true });
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (line !== "") {
        fields = withLine(fields, line);
        continue;
      }
      if (fields.data.length > 0) yield { id: fields.id, event: fields.event, data: fields.data.join("\n") };
      fields = { id: fields.id, event: "message", data: [] };
    }
  }
}

interface Fields {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: readonly string[];
}

function withLine(fields: Fields, line: string): Fields {
  const colon = line.indexOf(":");
  const name = colon === -1 ? line : line.slice(0, colon);
  const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
  switch (name) {
    case "id":
      return { ...fields, id: value };
    case "event":
      return { ...fields, event: value };
    case "data":
      return { ...fields, data: [...fields.data, value] };
    default:
      return fields;
  }
}
