import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Delivery, SinkOffer, StreamName, StreamResult, StreamSink } from "../../ports/streams.ts";

export interface FolderSetting {
  readonly path: string;
  /** Bytes of the files that wait there to be fetched. */
  readonly maxBytes: number;
  /** Results gather so long for the next file, so that a folder that nobody empties has no file for each. */
  readonly gatherMs: number;
}

/** Results of one file. */
const BATCH = 1_024;

const NEWLINE = new Uint8Array([0x0a]);

/**
 * A spool on the device's disk: each batch of results becomes a file of JSON lines, complete when it appears under its name,
 * which begins with the position of its first result. Who fetches the files removes them; while they hold as much as they
 * may, results wait in the node's own store.
 */
export class FolderSink implements SinkOffer {
  readonly #setting: FolderSetting;
  /**
   * No less than the folder holds: what it held at the last look and what was written since. Files that are fetched make it less,
   * so the folder is looked through again only when it seems full. Undefined: it was not looked at yet.
   */
  #heldBytes: number | undefined;

  constructor(setting: FolderSetting) {
    this.#setting = setting;
  }

  open(stream: StreamName): StreamSink {
    return {
      batchItems: BATCH,
      gatherMs: this.#setting.gatherMs,
      keepsOrder: true,
      deliver: async (results) => {
        const delivery = await this.#write(stream, results).catch((error: unknown): Delivery => ({
          kind: "later",
          why: `the folder takes no file: ${messageOf(error)}`,
        }));
        return results.map(() => delivery);
      },
      close: () => Promise.resolve(),
    };
  }

  async #write({ deployment, name }: StreamName, results: readonly StreamResult[]): Promise<Delivery> {
    const { path: folder, maxBytes } = this.#setting;
    const [first] = results;
    if (first === undefined) return { kind: "delivered" };
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const bytes = results.reduce((sum, { body }) => sum + body.byteLength + 1, 0);
    const isRoomy = this.#heldBytes !== undefined && this.#heldBytes + bytes <= maxBytes;
    if (!isRoomy) this.#heldBytes = await bytesIn(folder);
    const held = this.#heldBytes ?? 0;
    if (held > 0 && held + bytes > maxBytes)
      return { kind: "later", why: `the folder ${folder} holds ${held} bytes that nobody has fetched` };
    // The time tells positions of this node's store from those of one that was lost, and of other nodes.
    const file = `${encodeURIComponent(deployment)}.${name}.${String(first.position).padStart(16, "0")}.${first.acceptedAt}.ndjson`;
    const temporary = path.join(folder, `.${file}.new`);
    // Who fetches files here may write here: what lies under this name, such as a link, is removed and never written through.
    await rm(temporary, { force: true });
    const handle = await open(temporary, "wx", 0o600);
    try {
      // `writeFile` goes on where a nearly full disk takes a part; `writev` returns then.
      await handle.writeFile(Buffer.concat(results.flatMap(({ body }) => [body, NEWLINE])));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path.join(folder, file));
    await syncFolder(folder);
    this.#heldBytes = (this.#heldBytes ?? held) + bytes; // another stream may have written meanwhile
    return { kind: "delivered" };
  }
}

/** One file after another: a folder of a hundred thousand would take as many threads' turns at once. */
async function bytesIn(folder: string): Promise<number> {
  let sum = 0;
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".ndjson")) continue;
    const about = await stat(path.join(folder, name)).catch(() => undefined); // fetched meanwhile
    sum += about?.size ?? 0;
  }
  return sum;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
