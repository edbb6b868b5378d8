import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Delivery, SinkOffer, StreamName, StreamResult, StreamSink } from "../../ports/streams.ts";

export interface FolderSetting {
  readonly path: string;
  /** Bytes of the files that wait there to be fetched. */
  readonly maxBytes: number;
}

const NEWLINE = new Uint8Array([0x0a]);

/**
 * A spool on the device's disk: each batch of results becomes a file of JSON lines, complete when it appears under its name,
 * which begins with the position of its first result. Who fetches the files removes them; while they hold as much as they
 * may, results wait in the node's own store.
 */
export class FolderSink implements SinkOffer {
  readonly #setting: FolderSetting;

  constructor(setting: FolderSetting) {
    this.#setting = setting;
  }

  open(stream: StreamName): StreamSink {
    return {
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
    const held = await bytesIn(folder);
    const bytes = results.reduce((sum, { body }) => sum + body.byteLength + 1, 0);
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
    return { kind: "delivered" };
  }
}

async function bytesIn(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".ndjson"));
  const sizes = await Promise.all(
    names.map((name) =>
      stat(path.join(folder, name)).then(
        ({ size }) => size,
        () => 0, // fetched meanwhile
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
