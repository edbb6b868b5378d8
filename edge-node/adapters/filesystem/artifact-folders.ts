import { constants } from "node:fs";
import { chmod, mkdir, open, readdir, readFile, rename, rm, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { digestOf } from "../../../shared/base/digest.ts";
import { MANIFEST_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import {
  chunksOf,
  mainFile,
  manifest as manifestSchema,
  manifestBytes,
  type Manifest,
} from "../../../shared/protocol/model-files/manifest.ts";
import { hostFailure } from "../../app/hosts/host-failure.ts";
import type { ArtifactDisk, Staging } from "../../ports/disk.ts";
import { ChunkStaging, type StagedFile } from "./chunk-staging.ts";
import { diskFull, syncDirectory, unlessMissing, writeDurably } from "./durable.ts";
import { hashFile } from "./hash-file.ts";
import { reuseChunks, soundChunks } from "./recover-chunks.ts";

/** This share of the disk stays free, whatever is asked for: the node's own state and logs need room to work. */
const FREE_SHARE = 0.05;

/**
 * Artifacts on the node's disk: `artifacts/<hex>/` holds complete ones (folder 0500, files 0400), `staging/<hex>/` those
 * on their way. A folder gets into `artifacts` only by one rename, after all its bytes were checked and fsynced, and
 * leaves it by one rename, so that at any moment what is in there is whole.
 */
export class ArtifactFolders implements ArtifactDisk {
  readonly #root: string;
  readonly #freeShare: number;
  readonly #open = new Set<string>();
  #trashed = 0;

  /** `freeShare`: the share of the disk that stays free. */
  constructor(stateDir: string, { freeShare = FREE_SHARE }: { readonly freeShare?: number } = {}) {
    this.#root = resolve(stateDir);
    this.#freeShare = freeShare;
  }

  async complete(): Promise<ReadonlySet<string>> {
    return new Set(await this.#names("artifacts"));
  }

  async manifest(artifact: string): Promise<Manifest> {
    const text = await readFile(join(this.directory(artifact), MANIFEST_FILE), "utf8");
    if (digestOf(text) !== artifact) throw new Error(`the manifest of ${artifact} is damaged`);
    return manifestSchema.parse(JSON.parse(text));
  }

  directory(artifact: string): string {
    return this.#path("artifacts", artifact);
  }

  async verify(artifact: string): Promise<boolean> {
    const directory = this.directory(artifact);
    const manifest = await this.manifest(artifact).catch(() => undefined);
    if (!manifest) {
      await this.#trash(directory);
      return false;
    }
    for (const { name, size, sha256 } of manifest.files)
      if (!(await isSound(join(directory, name), { size, sha256 }))) {
        await this.#demote(artifact);
        return false;
      }
    return true;
  }

  async stage(artifact: string, manifest: Manifest): Promise<Staging> {
    if (this.#open.has(artifact)) throw new Error(`${artifact} is being staged already`);
    this.#open.add(artifact);
    const files: StagedFile[] = [];
    try {
      const directory = this.#path("staging", artifact);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await makeWritable(directory); // a stop in the middle of `publish` leaves it read-only
      await writeDurably(join(directory, MANIFEST_FILE), manifestBytes(manifest), 0o600);
      for (const folder of foldersOf(manifest)) await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
      for (const file of manifest.files) files.push(await openStaged(join(directory, file.name), file));
      return await this.#recovered(artifact, manifest, files);
    } catch (error) {
      await Promise.all(files.map(({ handle }) => handle.close()));
      this.#open.delete(artifact);
      throw diskFull(error);
    }
  }

  async collect(keep: ReadonlySet<string>): Promise<void> {
    for (const place of ["artifacts", "staging"] as const)
      for (const artifact of await this.#names(place))
        if (!keep.has(artifact) && !this.#open.has(artifact)) await this.#trash(this.#path(place, artifact));
    const trash = await this.#place("trash");
    for (const left of await readdir(trash)) await rm(join(trash, left), { recursive: true, force: true });
  }

  async freeMiB(): Promise<number> {
    const { bavail, bsize } = await statfs(await this.#place("artifacts"));
    return (bavail * bsize) / 1_048_576;
  }

  /** Takes stock of a staging: what is here and sound, what complete artifacts can lend, what is left to fetch. */
  async #recovered(artifact: string, manifest: Manifest, files: readonly StagedFile[]): Promise<Staging> {
    const chunks = chunksOf(manifest);
    const isNew = files.every((file) => file.isNew);
    const { present, partial } = isNew
      ? { present: new Set<number>(), partial: undefined }
      : await soundChunks(files, chunks);
    const missing = chunks.filter(({ index }) => !present.has(index));
    await this.#checkSpace(missing.reduce((sum, { length }) => sum + length, 0));
    const sources = [];
    for (const other of await this.complete()) {
      const known = await this.manifest(other).catch(() => undefined); // a damaged one is found when it is loaded
      if (known) sources.push({ directory: this.directory(other), manifest: known });
    }
    for (const index of await reuseChunks(files, missing, sources)) present.add(index);
    const first = chunks.find(({ index }) => !present.has(index));
    return new ChunkStaging({
      files,
      chunks,
      present,
      partial: partial?.chunk === first?.index ? partial : undefined,
      checkSpace: () => this.#checkSpace(0),
      publish: () => this.#publish(artifact, manifest),
      onClosed: () => this.#open.delete(artifact),
    });
  }

  /** Throws NO_SPACE when `needBytes` more would leave less than the free share. */
  async #checkSpace(needBytes: number): Promise<void> {
    const { bavail, blocks, bsize } = await statfs(this.#root);
    const room = bavail * bsize - blocks * bsize * this.#freeShare;
    if (needBytes <= room) return;
    const mib = (bytes: number): number => Math.ceil(bytes / 1_048_576);
    throw hostFailure(
      "NO_SPACE",
      `needs ${mib(needBytes)} MiB; the disk has ${mib(bavail * bsize)} MiB free, of which ${mib(blocks * bsize * this.#freeShare)} stay free`,
    );
  }

  async #publish(artifact: string, manifest: Manifest): Promise<void> {
    const staged = this.#path("staging", artifact);
    const artifacts = await this.#place("artifacts");
    await chmod(join(staged, MANIFEST_FILE), 0o400);
    for (const folder of foldersOf(manifest).toReversed()) {
      await syncDirectory(join(staged, folder));
      await chmod(join(staged, folder), 0o500);
    }
    await syncDirectory(staged);
    await this.#trash(this.directory(artifact));
    await rename(staged, this.directory(artifact));
    await syncDirectory(artifacts);
    await syncDirectory(join(this.#root, "staging"));
    await chmod(this.directory(artifact), 0o500); // after the rename: moving a folder needs the right to write in it
  }

  /** Makes a damaged complete artifact a staging again, so that its sound chunks need not travel. */
  async #demote(artifact: string): Promise<void> {
    const [directory, staged] = [this.directory(artifact), this.#path("staging", artifact)];
    await makeWritable(directory);
    await this.#place("staging");
    await this.#trash(staged);
    await rename(directory, staged);
    await syncDirectory(join(this.#root, "artifacts"));
  }

  /** One rename takes the folder away whole; deleting its files could be cut short and leave half of it. */
  async #trash(directory: string): Promise<void> {
    const gone = join(await this.#place("trash"), String(this.#trashed++));
    if ((await unlessMissing(makeWritable(directory).then(() => true))) === undefined) return;
    await rm(gone, { recursive: true, force: true }); // left by a crash
    await rename(directory, gone);
    await rm(gone, { recursive: true, force: true });
  }

  async #names(place: "artifacts" | "staging"): Promise<string[]> {
    const names = (await unlessMissing(readdir(join(this.#root, place)))) ?? [];
    return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).map((name) => `sha256:${name}`);
  }

  #path(place: "artifacts" | "staging", artifact: string): string {
    const hex = /^sha256:([0-9a-f]{64})$/.exec(artifact)?.[1];
    if (hex === undefined) throw new RangeError(`${artifact} is not a digest`);
    return join(this.#root, place, hex);
  }

  async #place(name: "artifacts" | "staging" | "trash"): Promise<string> {
    const path = join(this.#root, name);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  }
}

/** Path of the file that the runtime loads, for the model host. */
export async function readMainFile(directory: string): Promise<string> {
  const text = await readFile(join(directory, MANIFEST_FILE), "utf8");
  return mainFile(manifestSchema.parse(JSON.parse(text)));
}

/** The folders of a bundle's files, each after its parent. */
function foldersOf({ files }: Manifest): string[] {
  const folders = new Set<string>();
  for (const { name } of files)
    for (let folder = dirname(name); folder !== "."; folder = dirname(folder)) folders.add(folder);
  return [...folders].toSorted();
}

/** A folder with its files and the folders in it: moving, deleting and continuing them needs the right to write. */
async function makeWritable(directory: string): Promise<void> {
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(directory, entry.name));
    else if (entry.isFile()) await chmod(join(directory, entry.name), 0o600);
  }
}

async function openStaged(
  path: string,
  { size, sha256 }: { readonly size: number; readonly sha256: string },
): Promise<StagedFile> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const isNew = (await handle.stat()).size === 0;
    await handle.truncate(size); // sparse: holes read as zeros until their chunk arrives
    return { handle, size, sha256, isNew };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function isSound(
  path: string,
  { size, sha256 }: { readonly size: number; readonly sha256: string },
): Promise<boolean> {
  const file = await unlessMissing(open(path, "r"));
  if (!file) return false;
  try {
    return (await file.stat()).size === size && (await hashFile(file, size)) === sha256;
  } finally {
    await file.close();
  }
}
