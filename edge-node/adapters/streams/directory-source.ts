import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import { MAX_STREAM_ITEM_BYTES } from "../../../shared/protocol/streams.ts";
import type { OpenSource, SourceHandler, SourceOffer, StreamName } from "../../ports/streams.ts";

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
/** Files of one look: the next look takes the rest. */
const MAX_FILES = 1_000;

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
          () => handler.trouble(undefined),
          (error: unknown) => handler.trouble(`the directory cannot be read: ${messageOf(error)}`),
        )
        .then(() => {
          if (!isClosed) cancel = this.#clock.after(this.#setting.scanMs, look);
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

  async #look(handler: SourceHandler, isClosed: () => boolean): Promise<void> {
    const { path: folder } = this.#setting;
    const claims = path.join(folder, CLAIMED);
    await mkdir(claims, { recursive: true });
    if (this.#setting.after === "keep") await mkdir(path.join(folder, TAKEN), { recursive: true });
    for (const claimed of (await readdir(claims)).toSorted()) {
      if (isClosed()) return;
      if (!(await this.#take(claimed, handler))) return;
    }
    const names = (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.name.startsWith(".") && !/\.(part|tmp|new)$/.test(entry.name))
      .map(({ name }) => name);
    for (const name of names.toSorted().slice(0, MAX_FILES)) {
      if (isClosed()) return;
      const claimed = await this.#claim(name);
      if (claimed !== undefined && !(await this.#take(claimed, handler))) return;
    }
  }

  /** The name of the claim; undefined: somebody else has the file, or it is still being written. */
  async #claim(name: string): Promise<string | undefined> {
    const { path: folder, settleMs } = this.#setting;
    try {
      const from = path.join(folder, name);
      const { mtimeMs } = await stat(from);
      if (this.#clock.wallNow() - mtimeMs < settleMs) return undefined;
      // The time of the claim goes before the name, so that another file of this name does not replace it.
      const claimed = `${Math.trunc(this.#clock.wallNow())}-${name}`;
      await rename(from, path.join(folder, CLAIMED, claimed));
      return claimed;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** False: the store takes no more now. */
  async #take(claimed: string, handler: SourceHandler): Promise<boolean> {
    const file = path.join(this.#setting.path, CLAIMED, claimed);
    const name = claimed.slice(claimed.indexOf("-") + 1);
    if ((await stat(file)).size > MAX_STREAM_ITEM_BYTES) await handler.tooLarge();
    else {
      const bytes = await readFile(file);
      const id = `${name}:${createHash("sha256").update(bytes).digest("hex")}`;
      const key = this.#setting.key === "name" ? (/^[^.-]*/.exec(name)?.[0] ?? "") : "";
      const acceptance = await handler.accept({ id, key, bytes, isJson: name.endsWith(".json") });
      if (acceptance.kind === "full") return false;
    }
    if (this.#setting.after === "delete") await rm(file);
    else await rename(file, path.join(this.#setting.path, TAKEN, claimed));
    return true;
  }
}

/** As an offer, so that a change of the port is found here. */
export const directorySource = (setting: DirectorySetting, clock: Clock): SourceOffer =>
  new DirectorySource(setting, clock);

const isMissing = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT";
