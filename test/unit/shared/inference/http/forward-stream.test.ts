import { Writable } from "node:stream";
import { describe, expect, it } from "@jest/globals";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { forwardStream } from "../../../../../shared/inference/http/forward-stream.ts";
import { ResponseStream } from "../../../../../shared/inference/response-stream.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A response on a socket, with the texts that reached the system, one for each system call. */
function aResponse() {
  const calls: string[] = [];
  const socket = new Writable({
    write(chunk: Buffer, _encoding, done) {
      calls.push(chunk.toString());
      done();
    },
    writev(chunks, done) {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(""));
      done();
    },
  });
  const outlet = {
    socket,
    write: (bytes: Uint8Array, sent: (error?: Error | null) => void) => socket.write(Buffer.from(bytes), sent),
    end: () => socket.end(),
    destroy: () => socket.destroy(),
  };
  return { calls, outlet };
}

describe("forwardStream", () => {
  it("hands the pieces of one turn of the event loop to the system together, and those of the next by themselves", async () => {
    const { calls, outlet } = aResponse();
    const stream = new ResponseStream<string>({ length: undefined, windowBytes: 1_000, grant: () => undefined });
    const outcome = forwardStream(stream, outlet, new TestClock());
    for (const text of ["one ", "two ", "three "]) stream.push(own(Buffer.from(text)));
    await nextTurn();
    await nextTurn();
    expect(calls).toEqual(["one two three "]);
    stream.push(own(Buffer.from("four")));
    stream.finish("done");
    expect(await outcome).toBe("OK");
    await nextTurn();
    expect(calls).toEqual(["one two three ", "four"]);
  });
});
