import { beforeEach, describe, expect, it } from "@jest/globals";
import { Leadership } from "../../../../../control-plane/app/control-loop/leadership.ts";
import type { LeaderFence, LeadershipStore } from "../../../../../control-plane/ports/plan.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

/** A lease as the database keeps it: expires by the clock, and its token rises with every new holder. */
class FakeLease implements LeadershipStore {
  readonly #clock: TestClock;
  #holder = "";
  #token = 0n;
  #expiresAt = 0;
  readonly released: LeaderFence[] = [];
  /** A replica that was killed: it says nothing more. */
  dead = "";
  /** What a call to the database meets: an answer, an error, or silence. */
  mood: "answers" | "fails" | "hangs" = "answers";

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  acquire(holder: string, leaseMs: number): Promise<LeaderFence | null> {
    if (this.mood === "hangs" || holder === this.dead) return new Promise(() => undefined);
    if (this.mood === "fails") return Promise.reject(new Error("the database is away"));
    if (this.#holder !== holder && this.#expiresAt > this.#clock.now()) return Promise.resolve(null);
    if (this.#holder !== holder || this.#expiresAt <= this.#clock.now()) this.#token += 1n;
    this.#holder = holder;
    this.#expiresAt = this.#clock.now() + leaseMs;
    return Promise.resolve({ holder, token: this.#token });
  }

  release(fence: LeaderFence): Promise<void> {
    if (this.mood === "fails") return Promise.reject(new Error("the database is away"));
    this.released.push(fence);
    if (fence.token === this.#token) this.#expiresAt = 0;
    return Promise.resolve();
  }
}

let clock: TestClock;
let lease: FakeLease;
let elected: string[];
let unanswered: number;

const replica = (name: string): Leadership =>
  new Leadership({
    store: lease,
    replica: name,
    clock,
    logger: silentLogger,
    onElected: () => elected.push(name),
    onUnanswered: () => void (unanswered += 1),
  });
async function started(name: string): Promise<Leadership> {
  const leadership = replica(name);
  leadership.start();
  await settle();
  return leadership;
}
const tokenOf = (leadership: Leadership): bigint | undefined => leadership.current()?.fence.token;

beforeEach(() => {
  clock = new TestClock(0);
  lease = new FakeLease(clock);
  elected = [];
  unanswered = 0;
});

describe("leadership", () => {
  it("is nobody's before the first answer of the database", () => {
    const leadership = replica("r-1");
    leadership.start();
    expect(leadership.current()).toBeUndefined();
  });

  it("is won from a free lease and announced once", async () => {
    const leadership = await started("r-1");
    expect(leadership.current()).toEqual({ fence: { holder: "r-1", token: 1n }, since: 0 });
    await clock.advance(60_000);
    expect(elected).toEqual(["r-1"]);
  });

  it("keeps its token and its beginning while it is renewed", async () => {
    const leadership = await started("r-1");
    await clock.advance(60_000);
    expect(leadership.current()).toEqual({ fence: { holder: "r-1", token: 1n }, since: 0 });
  });

  it("is refused to a second replica while the first one renews", async () => {
    await started("r-1");
    const second = await started("r-2");
    await clock.advance(60_000);
    expect(second.current()).toBeUndefined();
    expect(elected).toEqual(["r-1"]);
  });

  it.each(["fails", "hangs"] as const)(
    "ends by itself 7 s after the last renewal when the database %s",
    async (mood) => {
      const leadership = await started("r-1");
      lease.mood = mood;
      await clock.advance(7_000);
      expect(tokenOf(leadership)).toBe(1n);
      await clock.advance(1);
      expect(tokenOf(leadership)).toBeUndefined();
    },
  );

  it("goes to another replica within 14.5 s of the last renewal of a dead one", async () => {
    await started("r-1");
    const second = await started("r-2");
    await clock.advance(4_500);
    lease.dead = "r-1";
    await clock.advance(14_500);
    expect(tokenOf(second)).toBe(2n);
  });

  it("ends before another replica can win the lease", async () => {
    const first = await started("r-1");
    lease.mood = "hangs";
    await clock.advance(4_500);
    lease.mood = "answers";
    const second = await started("r-2");
    for (let seconds = 0; seconds < 10; seconds += 1) {
      await clock.advance(1_000);
      expect([tokenOf(first), tokenOf(second)].filter((token) => token !== undefined).length).toBeLessThanOrEqual(1);
    }
    expect(elected).toEqual(["r-1", "r-2"]);
  });

  it("goes on with the same token when the database was away for less than 7 s", async () => {
    const leadership = await started("r-1");
    lease.mood = "fails";
    await clock.advance(5_000);
    lease.mood = "answers";
    await clock.advance(10_000);
    expect(tokenOf(leadership)).toBe(1n);
    expect(elected).toEqual(["r-1"]);
  });

  it("tells of each renewal that the database did not answer, and tries again after a second", async () => {
    await started("r-1");
    lease.mood = "fails";
    await clock.advance(4_500);
    expect(unanswered).toBe(1);
    await clock.advance(2_000);
    expect(unanswered).toBe(3);
    lease.mood = "answers";
    await clock.advance(60_000);
    expect(unanswered).toBe(3);
  });

  it("is won anew with a higher token when the lease ran out in between", async () => {
    const leadership = await started("r-1");
    lease.mood = "fails";
    await clock.advance(20_000);
    lease.mood = "answers";
    await clock.advance(3_000);
    expect(tokenOf(leadership)).toBe(2n);
    expect(leadership.current()?.since).toBeGreaterThan(20_000);
    expect(elected).toEqual(["r-1", "r-1"]);
  });

  it("ends at once when a fenced write found another leader", async () => {
    const leadership = await started("r-1");
    leadership.lost();
    expect(leadership.current()).toBeUndefined();
  });

  it("is released by a stop, so that another replica need not wait for the lease to run out", async () => {
    const first = await started("r-1");
    const second = await started("r-2");
    await first.stop();
    expect(first.current()).toBeUndefined();
    expect(lease.released).toEqual([{ holder: "r-1", token: 1n }]);
    await clock.advance(4_500);
    expect(tokenOf(second)).toBe(2n);
  });

  it("asks for nothing more after a stop", async () => {
    const leadership = await started("r-1");
    await leadership.stop();
    await clock.advance(60_000);
    expect(leadership.current()).toBeUndefined();
    expect(elected).toEqual(["r-1"]);
  });

  it("stops although the database is away, and without a lease releases none", async () => {
    await started("r-1");
    const second = await started("r-2");
    await second.stop();
    expect(lease.released).toEqual([]);
    const third = await started("r-1");
    lease.mood = "fails";
    await expect(third.stop()).resolves.toBeUndefined();
  });
});
