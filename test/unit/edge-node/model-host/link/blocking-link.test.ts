import { afterAll, afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { BlockingLink } from "../../../../../edge-node/model-host/link/blocking-link.ts";
import {
  ANSWER_CODES,
  ASK,
  readReplyHead,
  REPLY_HEADER,
  REQUEST_HEADER,
  writeRequestHead,
} from "../../../../../edge-node/model-host/link/link-frame.ts";

const open: number[] = [];
const directory = mkdtempSync(path.join(tmpdir(), "skerry-link-"));

afterEach(() => {
  for (const fd of open.splice(0)) closeSync(fd);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const frame = (requestId: number, body: string, isCancel = false): Buffer => {
  const head = Buffer.alloc(REQUEST_HEADER);
  writeRequestHead(new DataView(head.buffer, head.byteOffset, REQUEST_HEADER), {
    requestId,
    headerLength: 7,
    bodyLength: body.length,
    maxRows: 32,
    kind: isCancel ? ASK.CANCEL : ASK.REQUEST,
  });
  return Buffer.concat([head, Buffer.from(body)]);
};

/** A link that reads from a file: one read brings as much as the buffer holds, as from a socket. */
function linkTo(...frames: readonly Buffer[]): BlockingLink {
  const file = path.join(directory, "stream");
  writeFileSync(file, Buffer.concat(frames));
  const fd = openSync(file, "r");
  open.push(fd);
  return new BlockingLink(fd);
}

/** A link that reads from a pipe: a read brings 64 KiB at most, as a socket's does not bring all of a large body. */
function pipeTo(...frames: readonly Buffer[]): { readonly link: BlockingLink; readonly ended: Promise<unknown> } {
  writeFileSync(path.join(directory, "stream"), Buffer.concat(frames));
  execFileSync("sh", ["-c", "mkfifo pipe"], { cwd: directory });
  const writer = spawn("sh", ["-c", "cat stream > pipe"], { cwd: directory });
  const fd = openSync(path.join(directory, "pipe"), "r");
  open.push(fd);
  return { link: new BlockingLink(fd), ended: once(writer, "close") };
}

const text = (request: { readonly requestId: number; readonly body: Uint8Array } | undefined): string | undefined =>
  request && `${request.requestId} ${Buffer.from(request.body).toString()}`;

describe("BlockingLink", () => {
  it("answers a request that was taken back without handing it on, and ignores what comes too late", () => {
    const file = path.join(directory, "stream");
    const sent = [frame(1, "one"), frame(2, "two"), frame(3, "three"), frame(2, "", true), frame(9, "", true)];
    writeFileSync(file, Buffer.concat([...sent, frame(4, "four"), frame(4, "", true)]));
    const length = readFileSync(file).byteLength;
    const fd = openSync(file, "a+"); // reads from the start, and what is written goes behind it
    open.push(fd);
    const link = new BlockingLink(fd);
    expect([text(link.next()), text(link.ready()), text(link.ready())]).toEqual(["1 one", "3 three", undefined]);
    const written = readFileSync(file).subarray(length);
    const replies = [0, REPLY_HEADER].map((at) =>
      readReplyHead(new DataView(written.buffer, written.byteOffset + at, REPLY_HEADER)),
    );
    expect(replies.map(({ requestId, code }) => [requestId, ANSWER_CODES[code]])).toEqual([
      [2, "CANCELLED"],
      [4, "CANCELLED"],
    ]);
  });

  it("reads every body as it was sent, whatever their sizes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat(50), fc.integer({ min: 200_000, max: 400_000 })), { maxLength: 8 }),
        (sizes) => {
          const bodies = sizes.map((size, i) => `${i}`.padEnd(size + 1, "abcdefghijk"));
          const link = linkTo(...bodies.map((body, i) => frame(i, body)));
          const seen = [];
          for (let request = link.next(); request !== undefined; request = link.ready() ?? link.next())
            seen.push(text(request));
          expect(seen).toEqual(bodies.map((body, i) => `${i} ${body}`));
        },
      ),
      { numRuns: 40 },
    );
  });

  it("lays the tensors of a large body so that they can be looked at in place", async () => {
    const { link, ended } = pipeTo(...[1, 2, 3, 4, 5].map((id) => frame(id, "x".repeat(300_000 + id))));
    const offsets = [];
    for (let request = link.next(); request !== undefined; request = link.next())
      offsets.push((request.body.byteOffset + request.headerLength) % 8);
    expect(offsets).toEqual([0, 0, 0, 0, 0]);
    await ended;
  });

  it("finds at once what the read before has brought, and what is cut off only when it waits", () => {
    const long = "x".repeat(300_000);
    const link = linkTo(frame(1, "one"), frame(2, ""), frame(3, "three"), frame(4, long));
    expect(link.ready()).toBeUndefined();
    const first = link.next();
    expect(first).toMatchObject({ headerLength: 7, maxRows: 32 });
    expect([text(first), text(link.ready()), text(link.ready()), link.ready()]).toEqual([
      "1 one",
      "2 ",
      "3 three",
      undefined,
    ]);
    expect(text(first)).toBe("1 one");
    expect(link.next()?.body.byteLength).toBe(300_000);
    expect([link.ready(), link.next()]).toEqual([undefined, undefined]);
  });
});
