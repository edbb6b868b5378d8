import { beforeEach, describe, expect, it } from "@jest/globals";
import { CallerKeys } from "../../../../../edge-node/app/session/caller-keys.ts";
import type { CallersFile, KnownCallers } from "../../../../../edge-node/ports/disk.ts";
import { FEATURE } from "../../../../../shared/protocol/features.ts";
import type { CallerKey } from "../../../../../shared/protocol/messages/caller-keys.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const HOUR_MS = 3_600_000;
const MAX_OFFLINE_MS = 24 * HOUR_MS;

const keyOf = (id: string, over: Partial<CallerKey> = {}): CallerKey => ({
  id,
  hash: "a".repeat(64),
  role: "operator",
  models: null,
  expiresInMs: null,
  ...over,
});
const message = (digest: string, keys: CallerKey[], { page = 0, pages = 1 } = {}) =>
  ({ type: "caller.keys", id: 1, digest, page, pages, keys }) as const;

/** A clock that an operator can set. */
class SetClock extends TestClock {
  setBackMs = 0;
  override wallNow(): number {
    return super.wallNow() - this.setBackMs;
  }
}

let clock: SetClock;
let saved: KnownCallers | null;
let asked: (string | undefined)[];
const file: CallersFile = {
  load: () => Promise.resolve(saved),
  save: (callers) => {
    saved = callers;
    return Promise.resolve();
  },
};
const channelWith = (features: readonly string[]) =>
  ({
    welcome: { features },
    send: ({ digest }: { digest?: string }) => asked.push(digest),
  }) as never;
const channel = channelWith([FEATURE.CALLER_KEYS]);

async function start(): Promise<CallerKeys> {
  const keys = new CallerKeys({ file, maxOfflineMs: MAX_OFFLINE_MS, clock, logger: silentLogger });
  await keys.load();
  return keys;
}

beforeEach(() => {
  clock = new SetClock();
  saved = null;
  asked = [];
});

describe("the API keys that a node takes", () => {
  it("are those that the control plane said last, in as many messages as it needed", async () => {
    const keys = await start();
    keys.began(channel);
    await keys.onMessage(message("d-1", [keyOf("one")], { page: 0, pages: 2 }));
    expect(keys.find("one")).toBeUndefined();
    await keys.onMessage(message("d-1", [keyOf("two")], { page: 1, pages: 2 }));
    expect([keys.find("one"), keys.find("two"), keys.find("three")]).toMatchObject([
      { id: "one" },
      { id: "two" },
      undefined,
    ]);
    await keys.onMessage(message("d-2", [keyOf("three")]));
    expect([keys.find("one"), keys.find("three")]).toMatchObject([undefined, { id: "three" }]);
    expect(saved).toMatchObject({ digest: "d-2", keys: [{ id: "three" }] });
  });

  it("are none once the node was removed, after a restart too", async () => {
    const keys = await start();
    keys.began(channel);
    await keys.onMessage(message("d-1", [keyOf("one")]));
    await keys.forget();
    await keys.ended();
    expect(keys.find("one")).toBeUndefined();
    const restarted = await start();
    expect(restarted.find("one")).toBeUndefined();
    restarted.began(channel);
    expect(asked).toEqual([undefined, undefined]);
  });

  it("are not mixed from two sets whose messages came between each other, or of which one is missing", async () => {
    const keys = await start();
    keys.began(channel);
    await keys.onMessage(message("d-1", [keyOf("one")], { page: 0, pages: 2 }));
    await keys.onMessage(message("d-2", [keyOf("two")], { page: 1, pages: 2 }));
    await keys.onMessage(message("d-1", [keyOf("one")], { page: 2, pages: 3 }));
    expect([keys.find("one"), keys.find("two")]).toEqual([undefined, undefined]);
  });

  it("are asked for once in a session, by the name of those that it has, of a control plane that knows them", async () => {
    const keys = await start();
    keys.began(channel);
    await keys.onMessage(message("d-1", [keyOf("one")]));
    await keys.ended();
    keys.began(channel);
    keys.began(channelWith([]));
    expect(asked).toEqual([undefined, "d-1"]);
  });

  it("stay good without the control plane for as long as they may, through restarts", async () => {
    const keys = await start();
    keys.began(channel);
    await keys.onMessage(message("d-1", [keyOf("one")]));
    await clock.advance(100 * HOUR_MS);
    expect(keys.find("one")).toMatchObject({ id: "one" });
    await keys.ended();
    await clock.advance(23 * HOUR_MS);
    await keys.stop();
    const again = await start();
    expect(again.find("one")).toMatchObject({ id: "one" });
    await clock.advance(2 * HOUR_MS);
    expect(again.find("one")).toBe("stale");
    again.began(channel);
    expect(again.find("one")).toBe("stale");
    await again.onMessage(message("d-1", [], { pages: 0 }));
    expect(again.find("one")).toMatchObject({ id: "one" });
  });

  it("do not get younger when the clock is set back", async () => {
    const keys = await start();
    keys.began(channel);
    await keys.onMessage(message("d-1", [keyOf("one")]));
    await keys.ended();
    clock.setBackMs = 1_000 * HOUR_MS;
    await clock.advance(23 * HOUR_MS);
    await keys.stop();
    const again = await start();
    await clock.advance(2 * HOUR_MS);
    expect(again.find("one")).toBe("stale");
  });

  it("end when they expire, connected or not", async () => {
    const keys = await start();
    keys.began(channel);
    await keys.onMessage(message("d-1", [keyOf("one", { expiresInMs: HOUR_MS })]));
    await clock.advance(HOUR_MS - 1);
    expect(keys.find("one")).toMatchObject({ id: "one" });
    await clock.advance(1);
    expect(keys.find("one")).toBeUndefined();
  });

  it("are those on the disk when the control plane names others than the node has", async () => {
    const keys = await start();
    keys.began(channel);
    await keys.onMessage(message("d-1", [keyOf("one")]));
    await keys.ended();
    await clock.advance(25 * HOUR_MS);
    keys.began(channel);
    await keys.onMessage(message("d-other", [], { pages: 0 }));
    expect(keys.find("one")).toBe("stale");
  });
});
