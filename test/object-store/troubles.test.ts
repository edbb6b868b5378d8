import { truncateSync } from "node:fs";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { ObjectStore } from "../../control-plane/adapters/artifacts/s3/object-store.ts";
import { contentOf, pieces, sha256, upload } from "../support/artifacts/store-contract.ts";
import { TcpProxy } from "../support/network/tcp-proxy.ts";
import { BUCKET, S3_CREDENTIALS, S3Server } from "../support/object-store/s3-server.ts";
import { noise } from "../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

let server: S3Server;
let directory: string;
let proxy: TcpProxy;
/** Called with the bytes that come, in either direction. */
let onBytes: (direction: "up" | "down", bytes: Buffer) => void = () => undefined;
let prefix = 0;
let opened = 0;

beforeAll(async () => {
  Object.assign(process.env, S3_CREDENTIALS);
  directory = await mkdtemp(path.join(tmpdir(), "skerry-object-store-"));
  server = await S3Server.start();
}, 30_000);
afterAll(async () => {
  await server?.stop();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  prefix += 1;
  proxy = await TcpProxy.start({ onBytes: (_link, direction, bytes) => onBytes(direction, bytes) });
  proxy.pointAt(server.port);
});
afterEach(async () => {
  onBytes = () => undefined;
  Object.assign(process.env, S3_CREDENTIALS);
  await proxy.stop();
  await server.resume();
}, 30_000);

const scratch = (): string => path.join(directory, String((opened += 1)));
/** A control plane's store, which reaches the server through the proxy. */
const open = (over: object = {}): Promise<ObjectStore> =>
  ObjectStore.open({ ...server.settings(`t${prefix}/`, proxy.port), ...over }, { scratch: scratch() });

/** Cuts every connection once, when so many bytes have gone in this direction. */
function cutAfter(direction: "up" | "down", count: number): void {
  let left = count;
  onBytes = (which, bytes) => {
    if (which !== direction) return;
    left -= bytes.length;
    if (left > 0) return;
    onBytes = () => undefined;
    proxy.cut();
  };
}

describe("a bucket at the start of a control plane", () => {
  it("is ready when it may be listed, written, read and cleared", async () => {
    expect(await (await open()).probe(Date.now())).toEqual({ kind: "ready" });
  });

  it.each([
    ["an unknown access key", { AWS_ACCESS_KEY_ID: "nobody" }, {}, "correct AWS_ACCESS_KEY_ID"],
    ["a wrong secret", { AWS_SECRET_ACCESS_KEY: "another-secret" }, {}, "correct AWS_SECRET_ACCESS_KEY"],
    ["no such bucket", {}, { bucket: "absent" }, "there is no such bucket: create it, or correct SKERRY_OBJECT_STORE"],
  ])("is refused with %s, and says what to correct", async (_, credentials, over, complaint) => {
    Object.assign(process.env, credentials);
    const found = await (await open(over)).probe(Date.now());
    expect(found).toMatchObject({ kind: "refused", why: expect.stringContaining(complaint) });
    for (const secret of [S3_CREDENTIALS.AWS_SECRET_ACCESS_KEY, "another-secret"])
      expect(JSON.stringify(found)).not.toContain(secret);
  });

  it("is away when nobody answers, and ready when somebody does", async () => {
    const store = await open();
    await server.kill();
    expect(await store.probe(Date.now())).toMatchObject({ kind: "away", why: expect.stringContaining("ECONN") });
    await server.resume();
    expect(await store.probe(Date.now())).toEqual({ kind: "ready" });
  });

  it("is cleared of what was begun in parts a day ago, and of nothing newer", async () => {
    await server.beginUpload(`t${prefix}/files/left`);
    const store = await open();
    await store.probe(Date.now());
    expect(await server.unfinishedUploads()).toBe(1);
    await store.probe(Date.now() + DAY_MS + 1_000);
    expect(await server.unfinishedUploads()).toBe(0);
  });

  it("keeps what others have begun in parts under other keys, however old", async () => {
    await server.beginUpload(`t${prefix}/of-others/files/begun`);
    await (await open()).probe(Date.now() + DAY_MS + 1_000);
    expect(await server.unfinishedUploads()).toBe(1);
    await (await open({ prefix: `t${prefix}/of-others/` })).probe(Date.now() + DAY_MS + 1_000);
    expect(await server.unfinishedUploads()).toBe(0);
  });
});

describe("an upload to a bucket", () => {
  it("keeps what was stored before the server went away, and goes on when it is back", async () => {
    const store = await open();
    const bytes = noise(20 * MIB, 1);
    async function* untilAway(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 8 * MIB);
      await server.kill();
      yield bytes.subarray(8 * MIB);
    }
    await expect(store.append(upload(0, bytes.length), untilAway())).rejects.toMatchObject({
      code: "STORAGE_UNAVAILABLE",
      message: expect.stringContaining(`the object store s3://${BUCKET}/t${prefix} did not store uploads/u-1/`),
    });
    await expect(store.uploadOffset("u-1")).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    await server.resume();
    expect(await store.uploadOffset("u-1")).toBe(8 * MIB);
    expect(await store.append(upload(8 * MIB, bytes.length), pieces(bytes.subarray(8 * MIB)))).toBe(bytes.length);
    await store.fetchUpload("u-1");
    await store.adopt("u-1", sha256(bytes));
    expect(sha256(await contentOf(store, sha256(bytes)))).toBe(sha256(bytes));
  }, 60_000);

  it("is not disturbed by a connection that is cut in the middle of a piece", async () => {
    const store = await open();
    const bytes = noise(12 * MIB, 2);
    cutAfter("up", 5 * MIB);
    expect(await store.append(upload(0, bytes.length), pieces(bytes))).toBe(bytes.length);
  });

  it("takes a piece once when the answer to it is lost", async () => {
    const store = await open();
    const bytes = noise(3 * MIB, 3);
    // The piece arrives whole; what comes back is cut off before it is passed on.
    let up = 0;
    onBytes = (direction, block) => {
      if (direction === "up") up += block.length;
      else if (up > 3 * MIB) {
        onBytes = () => undefined;
        proxy.cut();
      }
    };
    expect(await store.append(upload(0, bytes.length), pieces(bytes))).toBe(bytes.length);
    await store.fetchUpload("u-1");
    await store.adopt("u-1", sha256(bytes));
    expect(sha256(await contentOf(store, sha256(bytes)))).toBe(sha256(bytes));
  });

  it("has one writer among all control planes: the one that comes second is refused", async () => {
    const [first, second] = [await open(), await open()];
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Uint8Array> {
      started.resolve();
      await gate.promise;
      yield noise(10, 1);
    }
    const writing = first.append(upload(0, 20), slow());
    await started.promise;
    expect(await second.append(upload(0, 20), pieces(noise(12, 2)))).toBe(12);
    gate.resolve();
    await expect(writing).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("another connection, perhaps to another control plane"),
    });
    expect(await first.uploadOffset("u-1")).toBe(12);
  });

  it("is fetched although a connection is cut, and leaves nothing half-made when the server stays away", async () => {
    const store = await open();
    const bytes = noise(20 * MIB, 4);
    await store.append(upload(0, bytes.length), pieces(bytes));
    cutAfter("down", 10 * MIB);
    await store.fetchUpload("u-1");
    await store.discardUpload("u-1");

    await store.append(upload(0, bytes.length, "u-2"), pieces(bytes));
    cutAfter("down", 10 * MIB);
    proxy.pointAt(1);
    await expect(store.fetchUpload("u-2")).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    proxy.pointAt(server.port);
    expect(await store.uploadIds()).toEqual(["u-2"]);
    await store.fetchUpload("u-2");
    await store.adopt("u-2", sha256(bytes));
    expect(sha256(await contentOf(store, sha256(bytes)))).toBe(sha256(bytes));
  }, 60_000);

  it("is measured as failed for each answer that breaks off, and as answered when it is whole", async () => {
    const asked: string[] = [];
    const store = await ObjectStore.open(server.settings(`t${prefix}/`, proxy.port), {
      scratch: scratch(),
      onAsked: ({ operation, isAnswered }) => {
        if (operation === "GetObject") asked.push(isAnswered ? "answered" : "failed");
      },
    });
    const bytes = noise(2 * MIB, 6);
    await store.append(upload(0, bytes.length), pieces(bytes));
    cutAfter("down", MIB);
    await store.fetchUpload("u-1");
    expect(asked.filter((each) => each === "failed")).toHaveLength(1);
    expect(asked.at(-1)).toBe("answered");
  }, 60_000);

  it("is not fetched when this machine has too little room", async () => {
    const space = async () => ({ total: 100 * MIB, available: 5 * MIB });
    const store = await ObjectStore.open(server.settings(`t${prefix}/`), { scratch: scratch(), space });
    await store.append(upload(0, MIB), pieces(noise(MIB, 5)));
    await expect(store.fetchUpload("u-1")).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(await store.uploadOffset("u-1")).toBe(MIB);
  });
});

describe("a file that is stored in parts", () => {
  const bytes = noise(40 * MIB, 6);

  it("is there whole or not at all, and its parts are given up", async () => {
    const store = await open();
    await writeFile(store.uploadPath("u-1"), "");
    await truncate(store.uploadPath("u-1"), 96 * MIB);
    let up = 0;
    onBytes = (direction, block) => {
      if (direction === "up") up += block.length;
      if (up < 20 * MIB) return;
      onBytes = () => undefined;
      truncateSync(store.uploadPath("u-1"), MIB); // what the parts behind these are read from is gone
    };
    await expect(store.adopt("u-1", "0".repeat(64))).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(await store.look({ sha256: "0".repeat(64), bytes: 96 * MIB })).toBe("missing");
    expect(await server.unfinishedUploads()).toBe(0);
  });

  it("is given up at once, with its parts, when the control plane stops", async () => {
    const store = await open();
    await writeFile(store.uploadPath("u-1"), bytes);
    const stopping = new AbortController();
    let up = 0;
    onBytes = (direction, block) => {
      if (direction === "up") up += block.length;
      if (up > 10 * MIB) stopping.abort(new Error("the control plane stops"));
    };
    await expect(store.adopt("u-1", sha256(bytes), stopping.signal)).rejects.toThrow("the control plane stops");
    expect(await store.look({ sha256: sha256(bytes), bytes: bytes.length })).toBe("missing");
    expect(await server.unfinishedUploads()).toBe(0);
    await store.adopt("u-1", sha256(bytes));
    expect(await store.look({ sha256: sha256(bytes), bytes: bytes.length })).toBe("whole");
  });

  it("is stored although connections are cut", async () => {
    const store = await open();
    await writeFile(store.uploadPath("u-1"), bytes);
    cutAfter("up", 20 * MIB);
    await store.adopt("u-1", sha256(bytes));
    expect(await store.verify({ sha256: sha256(bytes), bytes: bytes.length }, () => Promise.resolve())).toBe("whole");
    expect(await server.unfinishedUploads()).toBe(0);
  });
});

describe("a file that many nodes are sent", () => {
  it("is asked for once, block by block", async () => {
    const store = await open();
    const bytes = noise(6 * MIB, 7);
    await writeFile(store.uploadPath("u-1"), bytes);
    await store.adopt("u-1", sha256(bytes));
    const before = proxy.counters.bytesDown;
    const push = async (): Promise<void> => {
      const file = await store.open(sha256(bytes));
      const chunk = new Uint8Array(300_000);
      for (let offset = 0; offset + chunk.length <= bytes.length; offset += chunk.length) {
        await file.read(offset, chunk);
        expect(sha256(chunk)).toBe(sha256(bytes.subarray(offset, offset + chunk.length)));
      }
      await file.close();
    };
    await Promise.all(Array.from({ length: 20 }, push));
    expect(proxy.counters.bytesDown - before).toBeLessThan(6.5 * MIB);
  });

  it("can be read again after the server was away", async () => {
    const store = await open();
    const bytes = noise(2 * MIB, 8);
    await writeFile(store.uploadPath("u-1"), bytes);
    await store.adopt("u-1", sha256(bytes));
    const file = await store.open(sha256(bytes));
    await server.kill();
    const chunk = new Uint8Array(MIB);
    await expect(file.read(0, chunk)).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    await server.resume();
    await file.read(0, chunk);
    expect(sha256(chunk)).toBe(sha256(bytes.subarray(0, MIB)));
  }, 60_000);
});
