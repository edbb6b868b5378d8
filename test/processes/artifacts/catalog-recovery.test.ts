import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { ModelCheck } from "../../../control-plane/ports/catalog/artifacts.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { onnx } from "../../unit/control-plane/core/catalog/onnx/onnx-bytes.ts";
import { eventually } from "../../support/eventually.ts";
import { ada, CatalogRig, MINUTE_MS, pieces, sha256 } from "./catalog-rig.ts";

let rig: CatalogRig;

beforeEach(async () => {
  rig = await CatalogRig.open();
});
afterEach(() => rig.close());

describe("an upload that nobody finishes", () => {
  it("is rejected after its life and its bytes are deleted", async () => {
    const catalog = rig.start();
    const bytes = onnx();
    const id = await rig.declare(catalog, bytes);
    await catalog.uploads.append(id, 0, pieces(bytes.subarray(0, 10)));
    await rig.clock.advance(2 * MINUTE_MS);
    rig.rows.expire(id);
    await rig.sweep(catalog);
    expect(await catalog.getVersion("digits", 1)).toMatchObject({
      state: "rejected",
      reason: `upload expired: 10 of ${bytes.length} bytes had arrived; declare the version again`,
    });
    expect(rig.eventTexts()).toEqual([
      `ModelVersionRejected model/digits: digits:1 was rejected: upload expired: 10 of ${bytes.length} bytes had arrived; declare the version again`,
    ]);
    expect(await rig.artifacts.uploadIds()).toEqual([]);
  });

  it("is spared while bytes arrive", async () => {
    const catalog = rig.start();
    const bytes = onnx();
    const id = await rig.declare(catalog, bytes);
    await catalog.idle();
    await rig.clock.advance(MINUTE_MS - 15_000); // a sender who is silent for 30 s is cut off, so it begins shortly before
    const gate = Promise.withResolvers<void>();
    const arriving = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 10);
      arriving.resolve();
      await gate.promise;
      yield bytes.subarray(10);
    }
    const appending = catalog.uploads.append(id, 0, slow());
    await arriving.promise;
    rig.rows.expire(id);
    await rig.clock.advance(15_000);
    await catalog.idle();
    gate.resolve();
    await appending;
    expect(rig.rows.events).toEqual([]);
    expect(await catalog.uploads.complete(id, ada)).toMatchObject({ state: "checking" });
  });

  it("has its leftover bytes collected when the catalog does not know it any more", async () => {
    await writeFile(rig.artifacts.uploadPath("u-forgotten"), "bytes");
    await rig.start().idle();
    expect(await rig.artifacts.uploadIds()).toEqual([]);
  });
});

describe("a check that is interrupted", () => {
  const forever: ModelCheck = {
    check: (_file, signal) =>
      new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
  };

  it("leaves the version checking when the process stops, and is repeated after the next start", async () => {
    const first = rig.start(forever);
    const id = await rig.push(first, onnx());
    await first.stop();
    expect((await first.getVersion("digits", 1)).state).toBe("checking");
    await expect(first.uploads.complete(id, ada)).resolves.toMatchObject({ state: "checking" });
    const second = rig.start();
    await second.idle();
    expect((await second.getVersion("digits", 1)).state).toBe("ready");
  });

  it("keeps no process from stopping while a store takes its time, and is repeated", async () => {
    const adopt = rig.artifacts.adopt.bind(rig.artifacts);
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    rig.artifacts.adopt = (_id: string, _sha256: string, signal?: AbortSignal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
        begin();
      });
    const first = rig.start();
    await rig.push(first, onnx());
    await begun;
    await first.stop();
    expect((await first.getVersion("digits", 1)).state).toBe("checking");
    rig.artifacts.adopt = adopt;
    const second = rig.start();
    await second.idle();
    expect((await second.getVersion("digits", 1)).state).toBe("ready");
  });

  it("is repeated when a crash came between the file's name and the version's row", async () => {
    const first = rig.start(forever);
    const id = await rig.push(first, onnx());
    await first.stop();
    await rig.artifacts.adopt(id, sha256(onnx()));
    const second = rig.start();
    await second.idle();
    expect((await second.getVersion("digits", 1)).state).toBe("ready");
  });

  it("is repeated when Postgres was away as the verdict came", async () => {
    const catalog = rig.start();
    rig.rows.outage = new SkerryError("DATABASE_UNAVAILABLE", "down");
    await rig.push(catalog, onnx());
    await catalog.idle();
    expect((await catalog.getVersion("digits", 1)).state).toBe("checking");
    rig.rows.outage = undefined;
    await rig.sweep(catalog);
    expect((await catalog.getVersion("digits", 1)).state).toBe("ready");
  });

  it("is begun when the bytes can be brought to it, however often that failed", async () => {
    let isAway = true;
    const fetchUpload = rig.artifacts.fetchUpload.bind(rig.artifacts);
    rig.artifacts.fetchUpload = async (id) => {
      if (isAway) throw new SkerryError("STORAGE_UNAVAILABLE", "the object store is away");
      await fetchUpload(id);
    };
    const catalog = rig.start();
    await rig.push(catalog, onnx());
    for (let minute = 0; minute < 5; minute += 1) await rig.sweep(catalog);
    expect((await catalog.getVersion("digits", 1)).state).toBe("checking");
    isAway = false;
    await rig.sweep(catalog);
    expect((await catalog.getVersion("digits", 1)).state).toBe("ready");
  });

  it("runs beside one other, and the rest waits behind them", async () => {
    const running: (() => void)[] = [];
    const catalog = rig.start({
      check: () =>
        new Promise((resolve) => {
          running.push(() => resolve({ kind: "rejected", code: "INVALID_MODEL", reason: "seen" }));
        }),
    });
    for (let count = 0; count < 5; count += 1) await rig.push(catalog, onnx());
    const states = async () => (await catalog.listVersions("digits")).map(({ state }) => state);
    for (let ended = 0; ended < 5; ended += 1) {
      await eventually("two run, or what is left", () => running.length >= Math.min(5, ended + 2));
      expect(running).toHaveLength(Math.min(5, ended + 2));
      running[ended]?.();
      await eventually(
        "it has ended",
        async () => (await states()).filter((each) => each === "rejected").length > ended,
      );
    }
  });

  it("of another key does not wait for models of one key whose checks never end", async () => {
    const running: string[] = [];
    const catalog = rig.start({
      check: ({ version }, signal) =>
        new Promise((_resolve, reject) => {
          running.push(`digits:${version}`);
          signal?.addEventListener("abort", () => reject(signal.reason));
        }),
    });
    for (let count = 0; count < 4; count += 1) await rig.push(catalog, onnx());
    await rig.push(catalog, onnx(), { actor: { ...ada, name: "bea", keyId: "k-2" } });
    await eventually("hers is in its check", () => running.length === 3);
    expect(running).toEqual(["digits:1", "digits:2", "digits:5"]);
  });

  it("rejects the version when it breaks down three times", async () => {
    const catalog = rig.start({ check: () => Promise.reject(new Error("ended with signal SIGSEGV")) });
    await rig.push(catalog, onnx());
    for (let minute = 0; minute < 2; minute += 1) {
      await catalog.idle();
      expect((await catalog.getVersion("digits", 1)).state).toBe("checking");
      await rig.sweep(catalog);
    }
    await catalog.idle();
    expect(await catalog.getVersion("digits", 1)).toMatchObject({
      state: "rejected",
      reason: "its check broke down 3 times: ended with signal SIGSEGV",
    });
  });

  it("waits for bytes that are not here until the upload's end of life", async () => {
    const first = rig.start(forever);
    const id = await rig.push(first, onnx());
    await first.stop();
    await rig.artifacts.discardUpload(id);
    const second = rig.start();
    await second.idle();
    expect((await second.getVersion("digits", 1)).state).toBe("checking");
    rig.rows.expire(id);
    await rig.sweep(second);
    expect((await second.getVersion("digits", 1)).reason).toBe(
      `the artifact store lost its bytes: 0 of ${onnx().length} are there; declare the version again`,
    );
  });

  it("is not begun when too many of its key wait, or of all, and the upload may be completed later", async () => {
    const catalog = rig.start(forever);
    const bytes = onnx();
    const bea = { ...ada, name: "bea", keyId: "k-2" };
    for (let index = 0; index < 128; index += 1) await rig.push(catalog, bytes);
    await expect(rig.push(catalog, bytes)).rejects.toMatchObject({ code: "RATE_LIMITED" });
    for (let index = 0; index < 128; index += 1) await rig.push(catalog, bytes, { actor: bea });
    const cleo = { ...ada, name: "cleo", keyId: "k-3" };
    await expect(rig.push(catalog, bytes, { actor: cleo })).rejects.toMatchObject({ code: "RATE_LIMITED" });
    expect((await catalog.getVersion("digits", 258)).state).toBe("uploading");
  });
});
