import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import { MAX_STREAM_ITEM_BYTES } from "../../../shared/protocol/streams.ts";
import type { OpenSource, SourceHandler, SourceOffer, StreamItem, StreamName } from "../../ports/streams.ts";

export interface DirectorySetting {
  readonly path: string;
  /** What happens to a file that was read: `delete`, or `keep` in the folder `.skerry-taken` beside it. */
  readonly after: "delete" | "keep";
  /** A file is read when it has not changed for so long. 0 for writers that rename complete files into place. */
  readonly settleMs: number;
  /** How often the directory is looked through. */
  readonly scanMs: number;
  /** `name`: a file's key is its name up to the first dot or hyphen. */
  readonly key: "none" | "name";
}

const CLAIMED = ".skerry-claimed";
const TAKEN = ".skerry-taken";
/** Files of one look: the next look, which follows at once, takes the rest. */
const MAX_FILES = 1_000;
/** Files that are claimed, read and stored together, and their bytes in memory. */
const BATCH_FILES = 64;
const BATCH_BYTES = 8 * 1_048_576;

/**
 * New files of one directory, oldest name first. A file is claimed by a rename into a folder beside it, so that nobody else
 * takes it, read, and removed when the store holds it; killed in between, the node finds the claim and the store knows the
 * file by its name and digest. Looked through again and again rather than watched: notices are lost on network disks.
 */
class DirectorySource {
  readonly kind = "read";
  readonly #setting: DirectorySetting;
  readonly #clock: Clock;

  constructor(setting: DirectorySetting, clock: Clock) {
    this.#setting = setting;
    this.#clock = clock;
  }

  open(_stream: StreamName, handler: SourceHandler): OpenSource {
    let isClosed = false;
    let cancel: () => void = () => undefined;
    let looking = Promise.resolve();
    const look = (): void => {
      looking = this.#look(handler, () => isClosed)
        .then(
          (isMore) => {
            handler.trouble(undefined);
            return isMore ? 0 : this.#setting.scanMs;
          },
          (error: unknown) => {
            handler.trouble(`the directory cannot be read: ${messageOf(error)}`);
            return this.#setting.scanMs;
          },
        )
        .then((waitMs) => {
          if (!isClosed) cancel = this.#clock.after(waitMs, look);
        });
    };
    look();
    return {
      close: async () => {
        isClosed = true;
        cancel();
        await looking;
      },
    };
  }

  /** True: there is more to be read. */
  async #look(handler: SourceHandler, isClosed: () => boolean): Promise<boolean> {
    const { path: folder } = this.#setting;
    const claims = await ownFolder(folder, CLAIMED);
    if (this.#setting.after === "keep") await ownFolder(folder, TAKEN);
    // One file that cannot be read does not keep the node from those behind it.
    const unread: string[] = [];
    for (const claimed of batches((await readdir(claims)).toSorted()))
      if (isClosed() || !(await this.#takeAll(claimed, handler, unread))) return false;
    const names = (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.name.startsWith(".") && !/\.(part|tmp|new)$/.test(entry.name))
      .map(({ name }) => name)
      .toSorted();
    let taken = 0;
    for (const batch of batches(names.slice(0, MAX_FILES))) {
      if (isClosed()) return false;
      const claimed = await this.#claimAll(batch, unread);
      taken += claimed.length;
      if (!(await this.#takeAll(claimed, handler, unread))) return false;
    }
    const [first] = unread;
    if (first !== undefined) throw new Error(`${unread.length} files are passed over; the first: ${first}`);
    return taken > 0 && names.length > MAX_FILES;
  }

  /** The names of the claims, in the order of the files. Without those that somebody else has, or that are still being written. */
  async #claimAll(names: readonly string[], unread: string[]): Promise<readonly string[]> {
    const now = this.#clock.wallNow();
    const claims = await Promise.all(names.map((name) => this.#claim(name, now, unread)));
    return claims.filter((claim) => claim !== undefined);
  }

  async #claim(name: string, now: number, unread: string[]): Promise<string | undefined> {
    const { path: folder, settleMs } = this.#setting;
    try {
      const from = path.join(folder, name);
      const { mtimeMs } = await lstat(from);
      if (now - mtimeMs < settleMs) return undefined;
      // The time of the claim goes before the name, so that another file of this name does not replace it.
      const claimed = `${Math.trunc(now)}-${name}`;
      await rename(from, path.join(folder, CLAIMED, claimed));
      return claimed;
    } catch (error) {
      if (!isMissing(error)) unread.push(messageOf(error));
      return undefined;
    }
  }

  /** False: the store takes no more now. */
  async #takeAll(claims: readonly string[], handler: SourceHandler, unread: string[]): Promise<boolean> {
    let batch: ReadFile[] = [];
    let bytes = 0;
    for (const claimed of claims) {
      const read = await this.#read(claimed, handler, unread);
      if (read === undefined) continue;
      batch.push(read);
      bytes += read.item.bytes.byteLength;
      if (bytes < BATCH_BYTES) continue;
      if (!(await this.#store(batch, handler))) return false;
      [batch, bytes] = [[], 0];
    }
    return this.#store(batch, handler);
  }

  /** Undefined: it cannot be read, or is too large and counted. */
  async #read(claimed: string, handler: SourceHandler, unread: string[]): Promise<ReadFile | undefined> {
    const file = path.join(this.#setting.path, CLAIMED, claimed);
    const name = claimed.slice(claimed.indexOf("-") + 1);
    const bytes = await readRegular(file).catch((error: unknown) => void unread.push(messageOf(error)));
    if (bytes === undefined) return undefined;
    if (bytes.byteLength > MAX_STREAM_ITEM_BYTES) {
      await handler.tooLarge();
      await this.#remove(claimed);
      return undefined;
    }
    const id = `${name}:${createHash("sha256").update(bytes).digest("hex")}`;
    const key = this.#setting.key === "name" ? (/^[^.-]*/.exec(name)?.[0] ?? "") : "";
    return { claimed, item: { id, key, bytes, isJson: name.endsWith(".json") } };
  }

  async #store(batch: readonly ReadFile[], handler: SourceHandler): Promise<boolean> {
    if (batch.length === 0) return true;
    const acceptances = await handler.accept(batch.map(({ item }) => item));
    const stored = batch.filter((_read, index) => acceptances[index]?.kind !== "full");
    await Promise.all(stored.map(({ claimed }) => this.#remove(claimed)));
    return stored.length === batch.length;
  }

  async #remove(claimed: string): Promise<void> {
    const file = path.join(this.#setting.path, CLAIMED, claimed);
    if (this.#setting.after === "delete") await rm(file);
    else await rename(file, path.join(this.#setting.path, TAKEN, claimed));
  }
}

/** A claimed file in memory. */
interface ReadFile {
  readonly claimed: string;
  readonly item: StreamItem;
}

function* batches(names: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < names.length; at += BATCH_FILES) yield names.slice(at, at + BATCH_FILES);
}

/** The node's folder inside the watched one. Throws for a link: files are removed in it, and who writes files here does not choose where. */
async function ownFolder(folder: string, name: string): Promise<string> {
  const own = path.join(folder, name);
  await mkdir(own, { recursive: true });
  if (!(await lstat(own)).isDirectory()) throw new Error(`${name} is a link, and has to be a folder`);
  return own;
}

/**
 * At most one byte more than an item may have. Rejects for a link, a pipe or a folder, which the node leaves where it is: a link
 * may lead to a file that its maker cannot read, and a pipe may never end.
 */
async function readRegular(file: string): Promise<Uint8Array> {
  if (!(await lstat(file)).isFile())
    throw new Error(`${path.basename(file)} is no file, but a link, a pipe or a folder`);
  // The flags are for a file that was exchanged since that look.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const about = await handle.stat();
    if (!about.isFile()) throw new Error(`${path.basename(file)} is no file`);
    const bytes = new Uint8Array(Math.min(about.size, MAX_STREAM_ITEM_BYTES + 1));
    let length = 0;
    while (length < bytes.byteLength) {
      const { bytesRead } = await handle.read(bytes, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await handle.close();
  }
}

/** As an offer, so that a change of the port is found here. */
export const directorySource = (setting: DirectorySetting, clock: Clock): SourceOffer =>
  new DirectorySource(setting, clock);

const isMissing = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT";
