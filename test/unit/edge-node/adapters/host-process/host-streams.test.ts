import { own, type OwnedBytes } from "../../../../../shared/bytes/owned-bytes.ts";
import { describe, expect, it } from "@jest/globals";
import { HostStreams } from "../../../../../edge-node/adapters/host-process/host-streams.ts";
import { ANSWER_CODES, ASK, REPLY, type RequestHead } from "../../../../../edge-node/model-host/link/link-frame.ts";
import { INITIAL_CREDIT_BYTES, MAX_ANSWER_BYTES } from "../../../../../shared/protocol/limits.ts";
import { UNKNOWN_LENGTH } from "../../../../../shared/protocol/frames/stream-frame.ts";
import { settle } from "../../../../support/test-clock.ts";

const NOTHING = own(new Uint8Array(0));

const reply = (kind: number, over: { requestId?: number; code?: number; bodyLength?: number; body?: OwnedBytes }) => ({
  kind,
  code: 0,
  batchSize: 1,
  requestId: 1,
  headerLength: 7,
  computeUs: 3,
  decodeUs: 1,
  encodeUs: 1,
  bodyLength: over.body?.byteLength ?? UNKNOWN_LENGTH,
  body: NOTHING,
  ...over,
});

function streams(): { readonly streams: HostStreams; readonly asked: RequestHead[] } {
  const asked: RequestHead[] = [];
  return { streams: new HostStreams({ ask: (fields) => asked.push(fields), onSilent: () => undefined }), asked };
}

const piece = (bytes: number) => reply(REPLY.PIECE, { body: own(new Uint8Array(bytes)) });

describe("HostStreams", () => {
  it("grants what was passed on, and ends with the figures of the run", async () => {
    const { streams: host, asked } = streams();
    const stream = host.begin(reply(REPLY.HEAD, {}), 1_000);
    host.piece(piece(INITIAL_CREDIT_BYTES));
    await stream.next();
    stream.passed(INITIAL_CREDIT_BYTES);
    expect(asked).toMatchObject([{ kind: ASK.CREDIT, requestId: 1, headerLength: INITIAL_CREDIT_BYTES }]);
    host.piece(piece(INITIAL_CREDIT_BYTES));
    host.end(reply(REPLY.END, {}));
    expect(await stream.ended).toMatchObject({ kind: "complete", trailer: { computeUs: 3 } });
    expect(host.size).toBe(0);
  });

  it("notifies the host once that nobody reads an answer, and drops what was under way", async () => {
    const { streams: host, asked } = streams();
    const stream = host.begin(reply(REPLY.HEAD, {}), 1_000);
    host.cancel(1);
    host.cancel(1);
    await settle();
    expect(asked).toMatchObject([{ kind: ASK.CANCEL, requestId: 1 }]);
    host.piece(piece(10));
    host.end(reply(REPLY.END, { code: ANSWER_CODES.indexOf("CANCELLED") }));
    expect([await stream.next(), host.size]).toEqual([undefined, 0]);
  });

  it.each<[string, (host: HostStreams) => unknown]>([
    ["more than was granted", (host) => host.piece(piece(INITIAL_CREDIT_BYTES + 1))],
    [
      "a piece of an answer that has not begun",
      (host) => host.piece(reply(REPLY.PIECE, { requestId: 2, bodyLength: 0 })),
    ],
    ["the end of one that has not begun", (host) => host.end(reply(REPLY.END, { requestId: 2 }))],
    ["a second head", (host) => host.begin(reply(REPLY.HEAD, {}), 1_000)],
    ["a longer answer than there may be", (host) => begin(host, 3, MAX_ANSWER_BYTES + 1)],
  ])("refuses %s", (_, breach) => {
    const { streams: host } = streams();
    const stream = host.begin(reply(REPLY.HEAD, {}), 1_000);
    expect(() => breach(host)).toThrow(/request [123]/);
    host.fail("HOST_CRASHED", "killed");
    return expect(stream.ended).resolves.toMatchObject({ kind: "failed", code: "HOST_CRASHED" });
  });

  it("is not whole when it ends before its length", async () => {
    const { streams: host } = streams();
    const stream = begin(host, 1, 100);
    host.piece(piece(99));
    host.end(reply(REPLY.END, {}));
    expect(await stream.ended).toMatchObject({ kind: "failed" });
  });
});

const begin = (host: HostStreams, requestId: number, bodyLength: number) =>
  host.begin(reply(REPLY.HEAD, { requestId, bodyLength }), 1_000);
