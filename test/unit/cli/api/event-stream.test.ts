import { describe, expect, it } from "@jest/globals";
import { readEventStream, type StreamMessage } from "../../../../cli/api/event-stream.ts";

async function read(...pieces: readonly string[]): Promise<readonly StreamMessage[]> {
  const bytes = new TextEncoder();
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield bytes.encode(piece);
  }
  return Array.fromAsync(readEventStream(body()));
}

describe("an event stream", () => {
  it("is split into messages wherever the pieces break", async () => {
    expect(await read("id: 1\nda", "ta: {}\n", "\nid: 2\ndata: a\ndata:b\n\n")).toEqual([
      { id: "1", event: "message", data: "{}" },
      { id: "2", event: "message", data: "a\nb" },
    ]);
  });

  it("drops keep-alives, and the message that the connection cut", async () => {
    expect(await read(": ping\n\n", "retry: 5\n\n", "data: x\n")).toEqual([]);
  });

  it("takes any line ending, even one that is cut in two", async () => {
    expect(await read("event: gap\r", "\ndata: 1\r\n\r\n")).toEqual([{ id: undefined, event: "gap", data: "1" }]);
  });

  it("keeps the last id for a message without one", async () => {
    expect((await read("id: 7\ndata: a\n\ndata: b\n\n")).map(({ id }) => id)).toEqual(["7", "7"]);
  });
});
