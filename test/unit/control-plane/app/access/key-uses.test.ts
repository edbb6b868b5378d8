import { describe, expect, it } from "@jest/globals";
import { KeyCache } from "../../../../../control-plane/app/access/key-cache.ts";
import { KeyUses } from "../../../../../control-plane/app/access/key-uses.ts";
import type { StoredKey } from "../../../../../control-plane/ports/access/keys.ts";
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

function someUses() {
  const clock = new TestClock();
  const startedAt = clock.now();
  const keys = new Map<string, StoredKey>(["k", "other"].map((id) => [id, { ...KEY, id }]));
  const store = { isAway: false, reads: 0 };
  const cache = new KeyCache({
    store: {
      async find(id) {
        store.reads += 1;
        if (store.isAway) throw new SkerryError("DATABASE_UNAVAILABLE", "away");
        const key = keys.get(id);
        if (!key) return null;
        return { ...key, expiresInMs: key.expiresInMs === null ? null : key.expiresInMs - (clock.now() - startedAt) };
      },
    },
    what: "API keys",
    clock,
    logger: silentLogger,
  });
  const ended: string[] = [];
  const uses = new KeyUses({ cache, clock });
  return {
    clock,
    keys,
    store,
    cache,
    uses,
    ended,
    watch: (id: string, name = id) => uses.watch(id, () => void ended.push(name)),
  };
}

describe("streams that are open with a key", () => {
  it("end as soon as a notification says that keys were changed, and those of other keys do not", async () => {
    const { keys, cache, uses, ended, watch } = someUses();
    await cache.find("k");
    watch("k", "one");
    watch("k", "two");
    watch("other");
    keys.set("k", { ...KEY, revokedAt: 1 });
    uses.check();
    await settle();
    expect(ended).toEqual(["one", "two"]);
  });

  it("end within 5 s when the notification is lost", async () => {
    const { keys, clock, cache, ended, watch } = someUses();
    await cache.find("k");
    watch("k");
    await clock.advance(1_000);
    keys.delete("k");
    for (let ms = 0; ms < 5_000; ms += 250) await clock.advance(250);
    expect(ended).toEqual(["k"]);
  });

  it("end when the key expires", async () => {
    const { keys, clock, ended, watch } = someUses();
    keys.set("k", { ...KEY, expiresInMs: 2_500 });
    watch("k");
    await clock.advance(2_000);
    expect(ended).toEqual([]);
    await clock.advance(1_000);
    expect(ended).toEqual(["k"]);
  });

  it("go on while PostgreSQL is away", async () => {
    const { clock, store, cache, uses, ended, watch } = someUses();
    await cache.find("k");
    watch("k");
    store.isAway = true;
    uses.check();
    for (let s = 0; s < 60; s += 1) await clock.advance(1_000);
    expect([ended, await cache.find("k")]).toEqual([[], expect.objectContaining(KEY)]);
  });

  it("cost nothing when none is open", async () => {
    const { clock, store, watch } = someUses();
    watch("k")();
    await clock.advance(60_000);
    expect(store.reads).toBe(0);
  });
});
