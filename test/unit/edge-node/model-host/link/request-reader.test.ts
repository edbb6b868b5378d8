import { afterEach, describe, expect, it, jest } from "@jest/globals";
import fc from "fast-check";
import { ASK, REQUEST_HEADER, writeRequestHead } from "../../../../../edge-node/model-host/link/link-frame.ts";
import { RequestReader } from "../../../../../edge-node/model-host/link/request-reader.ts";

function request(requestId: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(REQUEST_HEADER);
  const head = { kind: ASK.REQUEST, requestId, headerLength: 0, bodyLength: body.byteLength, maxRows: 1 };
  writeRequestHead(new DataView(bytes.buffer, bytes.byteOffset, REQUEST_HEADER), head);
  return Buffer.concat([bytes, body]);
}

function cut(bytes: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

function aReader() {
  const read: { readonly requestId: number; readonly body: string }[] = [];
  const reader = new RequestReader(({ requestId }, body) =>
    read.push({ requestId, body: Buffer.from(body).toString("latin1") }),
  );
  return { reader, read };
}

describe("RequestReader", () => {
  afterEach(() => void jest.restoreAllMocks());

  it("reads the same requests wherever their bytes are cut", () => {
    const bodies = fc.array(fc.string({ unit: "binary-ascii", maxLength: 40 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(bodies, fc.integer({ min: 1, max: 70 }), (texts, size) => {
        const { reader, read } = aReader();
        const sent = Buffer.concat(texts.map((text, i) => request(i, Buffer.from(text, "latin1"))));
        for (const chunk of cut(sent, size)) reader.push(chunk);
        expect(read).toEqual(texts.map((body, requestId) => ({ requestId, body })));
      }),
    );
  });

  it("copies a body once, in however many chunks it comes", () => {
    const body = Buffer.alloc(100_000, "x");
    const chunks = cut(request(7, body), 100);
    const concat = jest.spyOn(Buffer, "concat");
    const { reader, read } = aReader();
    for (const chunk of chunks) reader.push(chunk);
    expect(read).toEqual([{ requestId: 7, body: "x".repeat(100_000) }]);
    expect(concat).toHaveBeenCalledTimes(1);
  });

  it("refuses a body that no agent sends", () => {
    const bytes = request(1, Buffer.alloc(0));
    bytes.writeUInt32LE(0xffff_ffff, 8);
    expect(() => aReader().reader.push(bytes)).toThrow(/a body of 4294967295 bytes/);
  });
});
