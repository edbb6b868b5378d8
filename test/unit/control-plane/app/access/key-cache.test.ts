import { describe, expect, it } from "@jest/globals";
import { KeyCache } from "../../../../../control-plane/app/access/key-cache.ts";
import type { KeyStore, StoredKey } from "../../../../../control-plane/ports/access/keys.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const KEY: StoredKey = {
  id: "k",
  name: "ana",
  role: "viewer",
  models: [],
  deployments: [],
  limits: { requestsPerMinute: null, concurrency: null, tokensPerMinute: null },
  secretHash: "",
  expiresInMs: null,
  revokedAt: null,
};

function aCache() {
  const clock = new TestClock();
  const store = { reads: 0, key: KEY as StoredKey | null, isAway: false };
  const find: KeyStore["find"] = async () => {
    store.reads += 1;
    if (store.isAway) throw new SkerryError("DATABASE_UNAVAILABLE", "away");
    return store.key;
  };
  const cache = new KeyCache({
    store: { find },
    what: "API keys",
    clock,
    logger: silentLogger,
  });
  return { cache, clock, store };
}

describe("the cache of API keys", () => {
  it("counts a key's time from when it was read, by a clock that nobody sets", async () => {
    const { cache, clock, store } = aCache();
    store.key = { ...KEY, expiresInMs: 1_500 };
    const readAt = clock.now();
    await clock.advance(0);
    expect((await cache.find("k"))?.validUntil).toBe(readAt + 1_500);
    store.key = KEY;
    cache.forget("k");
    expect((await cache.find("k"))?.validUntil).toBe(Infinity);
  });

  it("reads a key once, however many ask for it at once", async () => {
    const { cache, store } = aCache();
    await Promise.all([cache.find("k"), cache.find("k"), cache.find("k")]);
    await cache.find("k");
    expect(store.reads).toBe(1);
  });

  it("renews a busy key beside its use, so that no request waits", async () => {
    const { cache, clock, store } = aCache();
    await cache.find("k");
    await clock.advance(3_000);
    store.key = null;
    expect(await cache.find("k")).toMatchObject(KEY);
    await settle();
    expect(await cache.find("k")).toBeNull();
    expect(store.reads).toBe(2);
  });

  it("lets nobody in by a key that was read more than 5 s ago", async () => {
    const { cache, clock, store } = aCache();
    await cache.find("k");
    store.key = null;
    await clock.advance(5_001);
    expect(await cache.find("k")).toBeNull();
  });

  it("after a notification admits nobody by a key that was read more than 1 s ago", async () => {
    const { cache, clock, store } = aCache();
    await cache.find("k");
    store.key = null;
    cache.invalidate();
    await clock.advance(1_001);
    expect(await cache.find("k")).toBeNull();
  });

  it("forgets a key that was revoked here at once", async () => {
    const { cache, store } = aCache();
    await cache.find("k");
    store.key = null;
    cache.forget("k");
    expect(await cache.find("k")).toBeNull();
  });

  it("does not keep what a read brings that was under way when the key was forgotten", async () => {
    const { cache, clock, store } = aCache();
    await cache.find("k");
    await clock.advance(3_000);
    await cache.find("k");
    cache.forget("k");
    store.key = null;
    await settle();
    expect(cache.has("k")).toBe(false);
    expect(await cache.find("k")).toBeNull();
  });

  it("keeps known keys good for an hour while PostgreSQL is away, without waiting for it each time", async () => {
    const { cache, clock, store } = aCache();
    await cache.find("k");
    store.isAway = true;
    await clock.advance(6_000);
    expect(await cache.find("k")).toMatchObject(KEY);
    for (let at = 0; at < 10; at += 1) expect(await cache.find("k")).toMatchObject(KEY);
    expect(store.reads).toBe(2);
    await clock.advance(3_600_000);
    await expect(cache.find("k")).rejects.toThrow("away");
  });

  it("knows a key again when PostgreSQL is back", async () => {
    const { cache, clock, store } = aCache();
    await cache.find("k");
    store.isAway = true;
    await clock.advance(6_000);
    await cache.find("k");
    store.isAway = false;
    store.key = null;
    await clock.advance(1_001);
    await cache.find("k");
    await settle();
    expect(await cache.find("k")).toBeNull();
  });

  it("does not invent unknown keys while PostgreSQL is away", async () => {
    const { cache, store } = aCache();
    store.isAway = true;
    await expect(cache.find("other")).rejects.toThrow("away");
  });
});
