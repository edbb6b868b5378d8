import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { ModelCatalog } from "../../../control-plane/app/catalog/model-catalog.ts";
import type { ModelCheck } from "../../../control-plane/ports/catalog/artifacts.ts";
import { eventually } from "../../support/eventually.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { ada, CatalogRig, MINUTE_MS, pieces, sha256 } from "./catalog-rig.ts";

const bytes = identityModel("FP32");
let rig: CatalogRig;
let catalog: ModelCatalog;
beforeEach(async () => {
  rig = await CatalogRig.open();
  catalog = rig.start();
  await rig.push(catalog, bytes);
  await catalog.idle();
});
afterEach(() => rig.close());

const damage = () => rig.rows.versions.get("digits:1")?.damage;
const file = () => join(rig.root, "files", sha256(bytes));
const said = () => rig.eventTexts().filter((text) => text.startsWith("ModelBytes"));
/** Time passes until the file was read. */
const whenFound = (what: string | null) =>
  eventually("the file was looked at", async () => {
    await rig.clock.advance(10);
    return damage() === what;
  });

describe("the files of a published version", () => {
  it("are missed within two minutes when one is deleted, once", async () => {
    await rm(file());
    await rig.sweep(catalog);
    await rig.sweep(catalog);
    expect(damage()).toBe("its file model.onnx is missing from the artifact store");
    await rig.sweep(catalog);
    expect(said()).toEqual([
      "ModelBytesDamaged model/digits: digits:1 cannot be sent to nodes: its file model.onnx is missing from the artifact store; push the same files again",
    ]);
  });

  it("are missed at the start", async () => {
    await rm(file());
    await rig.start().idle();
    expect(damage()).toContain("is missing");
  });

  it("are whole again when the same bytes are pushed, and no version is made of them", async () => {
    await rm(file());
    await rig.start().idle();
    await rig.push(catalog, bytes);
    await whenFound(null);
    expect(said().at(-1)).toBe("ModelBytesRestored model/digits: the bytes of digits:1 are whole again");
    expect([...rig.rows.versions.keys()]).toEqual(["digits:1"]);
    expect(rig.rows.versions.get("digits:1")?.state).toBe("ready");
    await catalog.idle();
    expect(rig.eventTexts()).toContain(
      "ModelRepaired model/digits: the bytes of digits:1 came again, were checked and are in the artifact store",
    );
    expect(rig.rows.uploads.size).toBe(0);
  });

  it("stay damaged when other bytes come under their digest, and the version stays ready", async () => {
    await rm(file());
    await rig.start().idle();
    const other = new Uint8Array(bytes);
    other[10] = (other[10] ?? 0) ^ 1;
    await rig.push(catalog, other, { sha256: sha256(bytes) });
    await catalog.idle();
    expect(rig.eventTexts().at(-1)).toMatch(/^ModelRepairFailed model[/]digits: digits:1 was not repaired: .*SHA-256/);
    expect([damage(), rig.rows.versions.get("digits:1")?.state]).toEqual([
      "its file model.onnx is missing from the artifact store",
      "ready",
    ]);
    expect(rig.rows.uploads.size).toBe(0);
  });

  it("are repaired by an upload that goes on after a cut", async () => {
    await rm(file());
    await rig.start().idle();
    const id = await rig.declare(catalog, bytes);
    await catalog.uploads.append(id, 0, pieces(bytes.subarray(0, 20)));
    const { uploads } = await catalog.uploads.unfinished("digits", 1);
    expect(uploads).toMatchObject([{ offset: 20, uploadUrl: `/api/v1/uploads/${id}` }]);
    await catalog.uploads.append(id, 20, pieces(bytes.subarray(20)));
    await catalog.uploads.complete(id, ada);
    await whenFound(null);
  });

  it("are found rotten when a transfer complains, and whole again after a push", async () => {
    const rotten = new Uint8Array(bytes);
    rotten[10] = (rotten[10] ?? 0) ^ 1;
    await writeFile(file(), rotten);
    catalog.suspect(rig.rows.versions.get("digits:1")?.artifact ?? "");
    await whenFound("its file model.onnx does not have its digest in the artifact store");
    await rig.push(catalog, bytes);
    await catalog.idle();
    expect(damage()).toBeNull();
  });

  it("are all read within a day", async () => {
    const rotten = new Uint8Array(bytes);
    rotten[10] = (rotten[10] ?? 0) ^ 1;
    await writeFile(file(), rotten);
    rig.start();
    for (let hour = 0; hour < 25 && damage() === null; hour += 1) {
      await rig.clock.advance(3_600_000);
      await eventually("one look was taken", async () => {
        await rig.clock.advance(10);
        return true;
      });
    }
    await whenFound("its file model.onnx does not have its digest in the artifact store");
    expect(said()).toHaveLength(1);
  });

  it("that were put back by hand count once they were read", async () => {
    await rm(file());
    await rig.start().idle();
    await writeFile(file(), bytes);
    await rig.clock.advance(90_000);
    await whenFound(null);
    expect(said()).toHaveLength(2);
  });
});

describe("a repair whose check was interrupted by a stop", () => {
  let begun = 0;
  const forever: ModelCheck = {
    check: (_bundle, signal) => {
      begun += 1;
      return new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    },
  };
  let upload = "";
  beforeEach(async () => {
    begun = 0;
    await catalog.stop();
    await rm(file());
    const first = rig.start(forever);
    await first.idle();
    upload = await rig.push(first, bytes);
    await eventually("the check was begun", () => begun === 1);
    await first.stop();
  });

  it("is checked after the next start, even past the end of its upload's life", async () => {
    rig.rows.expire(upload);
    rig.start();
    await whenFound(null);
    await eventually("the repair ended", () => !rig.rows.uploads.has(upload));
    expect(rig.eventTexts().some((text) => text.startsWith("ModelRepaired "))).toBe(true);
  });

  it("does not expire while it is checked", async () => {
    rig.start(forever);
    await eventually("the check was begun again", () => begun === 2);
    rig.rows.expire(upload);
    await rig.clock.advance(2 * MINUTE_MS);
    expect([begun, rig.rows.uploads.has(upload)]).toEqual([2, true]);
  });

  it("expires where its bytes are not there", async () => {
    await rig.artifacts.discardUpload(upload);
    rig.rows.expire(upload);
    await rig.start(forever).idle();
    expect([begun, rig.rows.uploads.has(upload)]).toEqual([1, false]);
    expect(rig.eventTexts().at(-1)).toMatch(/^ModelRepairFailed .* upload expired: 0 of /);
  });
});
