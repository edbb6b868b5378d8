import { describe, expect, it } from "@jest/globals";
import { ListWatch, type WatchMessage } from "../../../../../control-plane/app/fleet/list-watch.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

interface Thing {
  readonly name: string;
  readonly colour: string;
}

/** A list that the test changes, and a watch of it. */
class Rig {
  readonly clock = new TestClock();
  readonly watch: ListWatch<Thing>;
  list: readonly Thing[] = [];
  compared = 0;
  /** Names of each comparison of a part. */
  readonly parts: (readonly string[])[] = [];
  #version = 0;

  constructor(instance = "r-1", clock = new TestClock()) {
    this.clock = clock;
    this.watch = new ListWatch({
      instance,
      list: () => {
        this.compared += 1;
        return this.list;
      },
      some: (names) => {
        this.parts.push([...names]);
        return this.list.filter(({ name }) => names.has(name));
      },
      nameOf: ({ name }) => name,
      lasting: ({ colour }) => colour,
      fingerprint: () => String(this.#version),
      clock: this.clock,
    });
  }

  set(...list: readonly (readonly [name: string, colour: string])[]): void {
    this.list = list.map(([name, colour]) => ({ name, colour }));
    this.#version += 1;
  }

  follow(after?: string, isVisible: (item: Thing) => boolean = () => true): Follower {
    return new Follower(this, after, isVisible);
  }
}

/** Reads batches one at a time, as a connection does. */
class Follower {
  readonly #batches: AsyncGenerator<readonly WatchMessage<Thing>[]>;
  readonly #end = new AbortController();
  lastId: string | undefined;

  constructor(rig: Rig, after: string | undefined, isVisible: (item: Thing) => boolean) {
    this.#batches = rig.watch.follow({ after, isVisible, signal: this.#end.signal });
  }

  /** The next batch in words. */
  async next(): Promise<readonly string[]> {
    const { done, value } = await this.#batches.next();
    if (done === true) return ["end"];
    for (const message of value) if ("id" in message && message.id !== undefined) this.lastId = message.id;
    return value.map((message) => ("item" in message ? `${message.event} ${message.item.name}` : message.event));
  }

  /** Everything up to the end of the whole list. */
  async begin(): Promise<readonly string[]> {
    const seen: string[] = [];
    while (seen.at(-1) !== "bookmark") seen.push(...(await this.next()));
    return seen;
  }

  leave(): void {
    this.#end.abort();
  }
}

const many = (count: number): readonly (readonly [string, string])[] =>
  Array.from({ length: count }, (_, index) => [`n-${index}`, "red"] as const);

describe("a watched list", () => {
  it("sends the list, says where it ends, and then what changes", async () => {
    const rig = new Rig();
    rig.set(["a", "red"], ["b", "red"]);
    const follower = rig.follow();
    expect(await follower.begin()).toEqual(["reset", "added a", "added b", "bookmark"]);
    const next = follower.next();
    rig.set(["a", "blue"], ["c", "red"]);
    rig.watch.wake();
    await rig.clock.advance(100);
    expect(await next).toEqual(["modified a", "added c", "deleted b"]);
    follower.leave();
  });

  it("compares once for a burst of changes, and not at all without followers", async () => {
    const rig = new Rig();
    rig.watch.wake();
    await rig.clock.advance(60_000);
    expect(rig.compared).toBe(0);
    const follower = rig.follow();
    for (const colour of ["red", "blue", "green"]) {
      rig.set(["a", colour]);
      rig.watch.wake();
    }
    await rig.clock.advance(200);
    expect(rig.compared).toBe(2);
    follower.leave();
    rig.set(["a", "white"]);
    rig.watch.wake();
    await rig.clock.advance(60_000);
    expect([rig.compared, rig.watch.followers]).toEqual([2, 0]);
  });

  it("finds within a second what changed without a change of the fleet", async () => {
    const rig = new Rig();
    rig.set(["a", "red"]);
    const follower = rig.follow();
    expect(await follower.begin()).toEqual(["reset", "added a", "bookmark"]);
    const next = follower.next();
    rig.set(["a", "blue"]);
    await rig.clock.advance(1_000);
    expect(await next).toEqual(["modified a"]);
    follower.leave();
  });

  it("sends an empty batch every 5 s while nothing changes, and compares nothing for it", async () => {
    const rig = new Rig();
    const follower = rig.follow();
    expect(await follower.begin()).toEqual(["reset", "bookmark"]);
    for (let count = 0; count < 3; count += 1) {
      const next = follower.next();
      await rig.clock.advance(5_000);
      expect(await next).toEqual([]);
    }
    expect(rig.compared).toBe(1);
    follower.leave();
  });

  it("moves the place of a follower on by a bookmark when only others saw what changed", async () => {
    const rig = new Rig();
    const follower = rig.follow(undefined, ({ colour }) => colour === "blue");
    expect(await follower.begin()).toEqual(["reset", "bookmark"]);
    const first = follower.lastId;
    rig.set(["a", "red"]);
    const next = follower.next();
    await rig.clock.advance(7_000);
    expect(await next).toEqual(["bookmark"]);
    expect(follower.lastId).not.toBe(first);
    follower.leave();
  });

  it("resumes after the last message that was seen", async () => {
    const rig = new Rig();
    rig.set(["a", "red"], ["b", "red"]);
    const first = rig.follow();
    expect(await first.begin()).toEqual(["reset", "added a", "added b", "bookmark"]);
    first.leave();
    rig.set(["a", "red"], ["b", "blue"]);
    const second = rig.follow(first.lastId);
    expect(await second.next()).toEqual(["modified b"]);
    second.leave();
  });

  it.each([
    ["of another replica", "r-2.0"],
    ["that is still to come", "r-1.99"],
    ["that is none", "r-1.x"],
  ])("begins anew for a place %s", async (_title, after) => {
    const rig = new Rig();
    rig.set(["a", "red"]);
    const follower = rig.follow(after);
    expect(await follower.begin()).toEqual(["reset", "added a", "bookmark"]);
    follower.leave();
  });

  it("begins anew for a slow follower, and holds no more than one batch for it", async () => {
    const rig = new Rig();
    rig.set(...many(120));
    const slow = rig.follow();
    const quick = rig.follow();
    expect(await slow.next()).toEqual(["reset"]);
    const first = await slow.next();
    expect([first.length, first[0]]).toEqual([50, "added n-0"]);
    for (let index = 0; index < 30; index += 1) {
      rig.set(...many(120).map(([name]) => [name, `colour ${index}`] as const));
      rig.watch.wake();
      await rig.clock.advance(100);
    }
    expect((await slow.next()).length).toBe(50);
    expect((await slow.next()).length).toBe(20);
    expect(await slow.next()).toEqual(["bookmark"]);
    expect(await slow.next()).toEqual(["reset"]);
    const again = [await slow.next(), await slow.next(), await slow.next()].flat();
    expect([again.length, new Set(again).size]).toEqual([120, 120]);
    expect(await slow.next()).toEqual(["bookmark"]);
    slow.leave();
    quick.leave();
  });

  it("does not resume into half a list", async () => {
    const rig = new Rig();
    rig.set(...many(60));
    const follower = rig.follow();
    expect([(await follower.next()).length, (await follower.next()).length]).toEqual([1, 50]);
    expect(follower.lastId).toBeUndefined();
    follower.leave();
  });

  it("ends when the follower leaves, and refuses the 201st", async () => {
    const rig = new Rig();
    const followers = Array.from({ length: 200 }, () => rig.follow());
    expect(() => rig.follow()).toThrow(expect.objectContaining({ code: "RATE_LIMITED" }));
    const waiting = followers[0];
    expect(await waiting?.begin()).toEqual(["reset", "bookmark"]);
    const next = waiting?.next();
    for (const follower of followers) follower.leave();
    expect(await next).toEqual(["end"]);
    await settle();
    expect(rig.watch.followers).toBe(0);
  });

  it("gives a large list a tenth of the time at most", async () => {
    // A clock that goes on while the list is made, as it does when the list is large.
    const clock = new TestClock();
    const rig = new Rig(
      "r-1",
      Object.assign(clock, { now: () => TestClock.prototype.now.call(clock) + 40 * rig?.compared }),
    );
    rig.set(["a", "red"]);
    const follower = rig.follow();
    rig.set(["a", "blue"]);
    rig.watch.wake();
    await clock.advance(399);
    expect(rig.compared).toBe(1);
    await clock.advance(1);
    expect(rig.compared).toBe(2);
    follower.leave();
  });

  it("compares of a change only what it names, also what is gone or new", async () => {
    const rig = new Rig();
    rig.set(["a", "red"], ["b", "red"], ["c", "red"]);
    const follower = rig.follow();
    await follower.begin();
    const next = follower.next();
    rig.set(["a", "blue"], ["b", "red"], ["d", "red"]);
    rig.watch.wake(["a"]);
    rig.watch.wake(["c", "d"]);
    await rig.clock.advance(100);
    expect(await next).toEqual(["modified a", "added d", "deleted c"]);
    expect([rig.compared, rig.parts]).toEqual([1, [["a", "c", "d"]]]);
    follower.leave();
  });

  it("does not wait for what a comparison of the whole list took before it compares a part", async () => {
    const clock = new TestClock();
    const rig = new Rig(
      "r-1",
      Object.assign(clock, { now: () => TestClock.prototype.now.call(clock) + 400 * rig?.compared }),
    );
    rig.set(["a", "red"]);
    const follower = rig.follow();
    await follower.begin();
    const next = follower.next();
    rig.set(["a", "blue"]);
    rig.watch.wake(["a"]);
    await clock.advance(100);
    expect(await next).toEqual(["modified a"]);
    follower.leave();
  });

  it("compares a part within half a second, though the one before took long on a busy machine", async () => {
    const clock = new TestClock();
    const rig = new Rig(
      "r-1",
      Object.assign(clock, { now: () => TestClock.prototype.now.call(clock) + 600 * (rig?.parts.length ?? 0) }),
    );
    rig.set(["a", "red"]);
    const follower = rig.follow();
    await follower.begin();
    for (const colour of ["blue", "green"]) {
      const next = follower.next();
      rig.set(["a", colour]);
      rig.watch.wake(["a"]);
      await clock.advance(500);
      expect(await next).toEqual(["modified a"]);
    }
    follower.leave();
  });

  it("does not wait for a tenth of the time that has passed already", async () => {
    const clock = new TestClock();
    const rig = new Rig(
      "r-1",
      Object.assign(clock, { now: () => TestClock.prototype.now.call(clock) + 40 * rig?.compared }),
    );
    const follower = rig.follow();
    await clock.advance(900);
    rig.set(["a", "blue"]);
    rig.watch.wake();
    await clock.advance(99);
    expect(rig.compared).toBe(1);
    await clock.advance(1);
    expect(rig.compared).toBe(2);
    follower.leave();
  });
});
