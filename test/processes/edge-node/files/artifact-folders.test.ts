import { execFileSync } from "node:child_process";
import { mkdirSync, rmdirSync } from "node:fs";
import { chmod, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ArtifactFolders } from "../../../../edge-node/adapters/filesystem/artifact-folders.ts";
import type { Staging } from "../../../../edge-node/ports/disk.ts";
import { anArtifact, randomBytesOf, type ArtifactFixture } from "../../../support/models/artifact-fixture.ts";

const KIB = 1_024;
const MIB = 1_024 * KIB;

let stateDir: string;
let disk: ArtifactFolders;

beforeEach(async () => {
  stateDir = await mkdtemp(path.join(tmpdir(), "skerry-disk-"));
  disk = new ArtifactFolders(stateDir);
});

afterEach(() => rm(stateDir, { recursive: true, force: true }));

async function fill(staging: Staging, { bytes, chunks }: ArtifactFixture, only?: readonly number[]): Promise<void> {
  for (const { index, offset, length } of chunks) {
    if (staging.present.has(index) || (only && !only.includes(index))) continue;
    await staging.write(index, 0, bytes.subarray(offset, offset + length));
    expect(await staging.verifyChunk(index)).toBe(true);
  }
  await staging.sync();
}

async function arrive(fixture: ArtifactFixture): Promise<void> {
  const staging = await disk.stage(fixture.artifact, fixture.manifest);
  await fill(staging, fixture);
  expect(await staging.commit()).toBe(true);
}

const modelFile = (place: "artifacts" | "staging", { artifact }: ArtifactFixture): string =>
  path.join(stateDir, place, artifact.slice("sha256:".length), "model.onnx");

async function flipByte(file: string, position: number): Promise<void> {
  await chmod(file, 0o600);
  const handle = await open(file, "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, position);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await handle.write(byte, 0, 1, position);
  await handle.close();
}

describe("ArtifactFolders", () => {
  const fixture = anArtifact(randomBytesOf(2 * MIB, 11));

  it("holds an artifact only once all of it was checked, read-only", async () => {
    const staging = await disk.stage(fixture.artifact, fixture.manifest);
    await fill(staging, fixture);
    expect([...(await disk.complete())]).toEqual([]);
    expect(await staging.commit()).toBe(true);
    expect([...(await disk.complete())]).toEqual([fixture.artifact]);
    expect((await stat(modelFile("artifacts", fixture))).mode & 0o777).toBe(0o400);
    expect((await stat(path.dirname(modelFile("artifacts", fixture)))).mode & 0o777).toBe(0o500);
    expect(await disk.manifest(fixture.artifact)).toEqual(fixture.manifest);
    expect(await readdir(path.join(stateDir, "staging"))).toEqual([]);
  });

  it("finds after a crash exactly the chunks that were written whole, whichever those are", async () => {
    const count = fixture.chunks.length;
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat({ max: count - 1 })), async (written) => {
        const first = await disk.stage(fixture.artifact, fixture.manifest);
        await fill(first, fixture, written);
        await first.close();
        const second = await new ArtifactFolders(stateDir).stage(fixture.artifact, fixture.manifest);
        expect([...second.present].toSorted((a, b) => a - b)).toEqual(written.toSorted((a, b) => a - b));
        await second.close();
        await disk.collect(new Set());
      }),
      { numRuns: 15 },
    );
  });

  it("goes on inside a chunk that was half written", async () => {
    const [chunk] = fixture.chunks;
    if (!chunk) throw new Error("no chunk");
    const half = Math.floor(chunk.length / 2);
    const first = await disk.stage(fixture.artifact, fixture.manifest);
    await first.write(0, 0, fixture.bytes.subarray(0, half));
    await first.sync();
    await first.close();
    const second = await disk.stage(fixture.artifact, fixture.manifest);
    const offset = second.partial?.offset ?? 0;
    expect(second.partial?.chunk).toBe(0);
    expect(offset).toBeGreaterThan(half - 16); // trailing zeros look unwritten
    expect(offset).toBeLessThanOrEqual(half);
    await second.write(0, offset, fixture.bytes.subarray(offset, chunk.length));
    expect(await second.verifyChunk(0)).toBe(true);
    await second.close();
  });

  it("notices a flipped bit in a chunk, in a file and in a complete artifact", async () => {
    const staging = await disk.stage(fixture.artifact, fixture.manifest);
    const [chunk] = fixture.chunks;
    const wrong = Buffer.from(fixture.bytes.subarray(0, chunk?.length));
    wrong[3] = (wrong[3] ?? 0) ^ 4;
    await staging.write(0, 0, wrong);
    expect(await staging.verifyChunk(0)).toBe(false);
    await fill(staging, fixture);
    await flipByte(modelFile("staging", fixture), 1_000);
    expect(await staging.commit()).toBe(false);

    await arrive(fixture);
    expect(await disk.verify(fixture.artifact)).toBe(true);
    await flipByte(modelFile("artifacts", fixture), MIB);
    expect(await disk.verify(fixture.artifact)).toBe(false);
    expect([...(await disk.complete())]).toEqual([]);
    const again = await disk.stage(fixture.artifact, fixture.manifest);
    expect(again.present.size).toBe(fixture.chunks.length - 1); // only the damaged one travels
    await again.close();
  });

  it("refuses a file of right chunks that is not the one that the manifest names, small or large", async () => {
    for (const size of [2 * MIB, 34 * MIB]) {
      const { artifact, manifest, ...rest } = anArtifact(randomBytesOf(size, 12));
      const files = manifest.files.map((file) => ({ ...file, sha256: "0".repeat(64) }));
      const staging = await disk.stage(artifact, { ...manifest, files });
      await fill(staging, { artifact, manifest, ...rest });
      expect(await staging.commit()).toBe(false);
      await arrive({ artifact, manifest, ...rest });
    }
  });

  it("lends a new version the chunks that an old one holds", async () => {
    await arrive(fixture);
    const changed = Buffer.from(fixture.bytes);
    changed.fill(7, MIB, MIB + 4);
    const next = anArtifact(changed, { version: "2" });
    const staging = await disk.stage(next.artifact, next.manifest);
    const missing = next.chunks.filter(({ index }) => !staging.present.has(index));
    expect(missing.length).toBeLessThanOrEqual(2);
    await fill(staging, next);
    expect(await staging.commit()).toBe(true);
  });

  it("does not lend a chunk that went bad", async () => {
    await arrive(fixture);
    await flipByte(modelFile("artifacts", fixture), 0);
    const next = anArtifact(Buffer.concat([fixture.bytes, randomBytesOf(MIB, 12)]), { version: "2" });
    const staging = await disk.stage(next.artifact, next.manifest);
    expect(staging.present.has(0)).toBe(false);
    await staging.close();
  });

  it("deletes what is not kept, stagings too, and clears what a crash left in the trash", async () => {
    const other = anArtifact(randomBytesOf(300 * KIB, 13));
    await arrive(fixture);
    await arrive(other);
    const staging = await disk.stage(`sha256:${"a".repeat(64)}`, fixture.manifest);
    await staging.close();
    const restarted = new ArtifactFolders(stateDir);
    await restarted.collect(new Set([other.artifact]));
    expect([...(await restarted.complete())]).toEqual([other.artifact]);
    for (const place of ["staging", "trash"]) expect(await readdir(path.join(stateDir, place))).toEqual([]);
  });

  it("refuses an artifact that would not leave the share of the disk free", async () => {
    const greedy = new ArtifactFolders(stateDir, { freeShare: 0.999_999 });
    await expect(greedy.stage(fixture.artifact, fixture.manifest)).rejects.toMatchObject({
      name: "HostFailure",
      code: "NO_SPACE",
    });
    // The refusal leaves nothing open: with more room the same staging goes ahead.
    await (
      await greedy
        .stage(fixture.artifact, { ...fixture.manifest, files: [] })
        .catch(() => disk.stage(fixture.artifact, fixture.manifest))
    ).close();
  });

  it("refuses a name that is not a digest", async () => {
    expect(() => disk.directory("sha256:../../etc")).toThrow(RangeError);
    await expect(disk.stage("../x", fixture.manifest)).rejects.toThrow(RangeError);
  });
});

// Only root may mount a small disk; CI is root.
if (process.getuid?.() === 0) {
  describe("a full disk", () => {
    const small = path.join(tmpdir(), `skerry-small-${process.pid}`);

    beforeAll(() => {
      mkdirSync(small);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small]);
    });

    afterAll(() => {
      execFileSync("umount", [small]);
      rmdirSync(small);
    });

    it("is reported as DISK_FULL by the write that meets it", async () => {
      const fixture = anArtifact(randomBytesOf(2 * MIB, 14));
      const tight = new ArtifactFolders(small, { freeShare: -10 }); // looks away, so that the write itself fails
      const staging = await tight.stage(fixture.artifact, fixture.manifest);
      const writeAll = async (): Promise<void> => {
        for (const { index, offset, length } of fixture.chunks)
          await staging.write(index, 0, fixture.bytes.subarray(offset, offset + length));
        await staging.sync();
      };
      await expect(writeAll()).rejects.toMatchObject({ name: "HostFailure", code: "DISK_FULL" });
      await staging.close();
    });
  });
}
