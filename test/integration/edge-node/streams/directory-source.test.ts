import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { directorySource } from "../../../../edge-node/adapters/streams/directory-source.ts";
import type { OpenSource } from "../../../../edge-node/ports/streams.ts";
import { settle, TestClock } from "../../../support/test-clock.ts";

const SCAN_MS = 1_000;

describe("a directory as a source", () => {
  let folder: string;
  let source: OpenSource | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "skerry-directory-"));
  });
  afterEach(async () => {
    await source?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("reads a file when it has not changed for as long as is declared", async () => {
    const clock = new TestClock();
    const accepted: string[] = [];
    let looked = Promise.withResolvers<void>();
    /** Writes more into the file, so long before the clock's now. */
    const write = async (text: string, agoMs: number): Promise<void> => {
      const file = path.join(folder, "half.json");
      await writeFile(file, text);
      const at = (clock.wallNow() - agoMs) / 1_000;
      await utimes(file, at, at);
    };
    const look = async (begin: () => unknown): Promise<void> => {
      looked = Promise.withResolvers<void>();
      await begin();
      await looked.promise;
      await settle();
    };
    const offer = directorySource(
      { path: folder, after: "delete", settleMs: 1_500, scanMs: SCAN_MS, key: "none" },
      clock,
    );
    if (offer.kind !== "read") throw new Error("a directory is read");
    await write("[1, ", 100);
    await look(() => {
      source = offer.open(
        { deployment: "same", name: "press" },
        {
          accept: (items) => {
            accepted.push(...items.map(({ bytes }) => new TextDecoder().decode(bytes)));
            return Promise.resolve(items.map((_item, at) => ({ kind: "accepted", position: at + 1 })));
          },
          tooLarge: () => Promise.resolve(),
          trouble: (why) => (why === undefined ? looked.resolve() : looked.reject(new Error(why))),
        },
      );
    });
    expect(accepted).toEqual([]);
    // Its writer goes on: the time counts anew.
    await write("[1, 2]", 0);
    await look(() => clock.advance(SCAN_MS));
    expect([accepted, (await readdir(folder)).toSorted()]).toEqual([[], [".skerry-claimed", "half.json"]]);
    await look(() => clock.advance(SCAN_MS));
    expect([accepted, await readdir(folder)]).toEqual([["[1, 2]"], [".skerry-claimed"]]);
  });
});
