import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { answerOf } from "./support/http-call.ts";
import { openHttpApi, type OpenHttpApi } from "./support/open-http-api.ts";

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi();
});
afterEach(() => api.close());

const FILE = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, at) => at % 251));
const OCTETS = { "Content-Type": "application/octet-stream" };

async function declare(): Promise<string> {
  const body = { bytes: FILE.length, sha256: createHash("sha256").update(FILE).digest("hex") };
  const declared = await api.call("POST", "/api/v1/models/digits/versions", { key: api.keyOf.operator, body });
  expect([declared.status, declared.body.version.state]).toEqual([201, "uploading"]);
  return declared.body.uploadUrl;
}

const offsetOf = async (url: string): Promise<unknown> =>
  (await api.call("HEAD", url, { key: api.keyOf.operator })).headers["upload-offset"];

describe("an upload", () => {
  it("goes up in pieces, each at its offset, and is checked aside", async () => {
    const key = api.keyOf.operator;
    const url = await declare();
    const first = await api.call("PUT", `${url}?offset=0`, { key, bytes: FILE.subarray(0, 70_000), headers: OCTETS });
    expect([first.status, first.headers["upload-offset"], first.body]).toEqual([
      200,
      "70000",
      { offset: 70_000, bytes: FILE.length },
    ]);
    const second = await api.call("PUT", `${url}?offset=70000`, {
      key,
      bytes: FILE.subarray(70_000),
      headers: OCTETS,
    });
    expect(second.headers["upload-offset"]).toBe(String(FILE.length));
    const complete = await api.call("POST", `${url}/complete`, { key, body: {} });
    expect([complete.status, complete.body.state]).toEqual([202, "checking"]);
    const [upload] = api.catalog.parts.values();
    expect(Buffer.compare(Buffer.from(upload?.received ?? []), FILE)).toBe(0);
  });

  it("is found again by its version, with how far each file got", async () => {
    const key = api.keyOf.operator;
    const url = await declare();
    await api.call("PUT", `${url}?offset=0`, { key, bytes: FILE.subarray(0, 70_000), headers: OCTETS });
    const [version] = (await api.call("GET", "/api/v1/models/digits/versions?limit=500", { key })).body.items.filter(
      ({ state }: { state: string }) => state === "uploading",
    );
    const path = `/api/v1/models/digits/versions/${version.version}/upload`;
    const found = await api.call("GET", path, { key });
    const file = { path: "model.onnx", bytes: FILE.length, uploadUrl: url, offset: 70_000 };
    expect([found.status, found.body]).toEqual([200, { uploadUrl: url, uploads: [file] }]);
    await api.call("PUT", `${url}?offset=70000`, { key, bytes: FILE.subarray(70_000), headers: OCTETS });
    await api.call("POST", `${url}/complete`, { key });
    expect((await api.call("GET", path, { key })).body.code).toBe("CONFLICT");
  });

  it("refuses bytes at another offset and to be completed early", async () => {
    const url = await declare();
    const wrong = await api.call("PUT", `${url}?offset=5`, { key: api.keyOf.operator, bytes: FILE, headers: OCTETS });
    expect([wrong.status, wrong.body.code]).toEqual([409, "UPLOAD_OFFSET"]);
    const early = await api.call("POST", `${url}/complete`, { key: api.keyOf.operator });
    expect([early.status, early.body.code]).toEqual([409, "UPLOAD_INCOMPLETE"]);
  });

  it("streams: what arrived before the connection broke is there", async () => {
    const url = await declare();
    const arrived = Promise.withResolvers<void>();
    let count = 0;
    api.catalog.onPiece = (piece) => {
      count += piece.length;
      if (count === 1_000) arrived.resolve();
    };
    const headers = { ...OCTETS, "Content-Length": String(FILE.length) };
    const request = api.open("PUT", `${url}?offset=0`, { key: api.keyOf.operator, headers });
    request.on("error", () => undefined);
    request.write(FILE.subarray(0, 1_000));
    await arrived.promise;
    request.destroy();
    expect(await offsetOf(url)).toBe("1000");
    await api.call("PUT", `${url}?offset=1000`, {
      key: api.keyOf.operator,
      bytes: FILE.subarray(1_000),
      headers: OCTETS,
    });
    expect(await offsetOf(url)).toBe(String(FILE.length));
  });

  it("is given up when nothing comes for 30 s, and keeps what is there", async () => {
    const url = await declare();
    const arrived = Promise.withResolvers<void>();
    api.catalog.onPiece = () => arrived.resolve();
    const headers = { ...OCTETS, "Content-Length": String(FILE.length) };
    const request = api.open("PUT", `${url}?offset=0`, { key: api.keyOf.operator, headers });
    const answer = answerOf(request);
    request.write(FILE.subarray(0, 10));
    await arrived.promise;
    await api.clock.advance(30_000);
    expect([(await answer).status, (await answer).body.code]).toEqual([409, "UPLOAD_INCOMPLETE"]);
    request.destroy();
    expect(await offsetOf(url)).toBe("10");
  });
});

describe("an artifact", () => {
  it("comes down as a stream of its length", async () => {
    const { status, headers, bytes } = await api.call("GET", "/api/v1/models/digits/versions/1/artifact", {
      key: api.keyOf.viewer,
    });
    expect([status, bytes.length, headers["content-length"], headers["content-type"]]).toEqual([
      200,
      2_500,
      "2500",
      "application/octet-stream",
    ]);
  });

  it("is not held open by a question for its head", async () => {
    const closed = Promise.withResolvers<void>();
    api.catalog.onClose = closed.resolve;
    const { status, headers, bytes } = await api.call("HEAD", "/api/v1/models/digits/versions/1/artifact", {
      key: api.keyOf.viewer,
    });
    expect([status, headers["content-length"], bytes.length]).toEqual([200, "2500", 0]);
    await expect(closed.promise).resolves.toBeUndefined();
  });
});
