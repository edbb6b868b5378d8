import { describe, expect, it } from "@jest/globals";
import { KeyedQueue, type Outcome } from "../../../../../control-plane/app/kubernetes/keyed-queue.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

/** What happens at once happens first, so that what it plans is planned before the time passes. */
async function pass(clock: TestClock, ms: number): Promise<void> {
  await settle();
  await clock.advance(ms);
}

function rig(work: (key: string) => Promise<Outcome>) {
  const clock = new TestClock();
  const worked: string[] = [];
  const failures: string[] = [];
  const queue = new KeyedQueue({
    work: (key) => {
      worked.push(key);
      return work(key);
    },
    onFailure: (key, _, attempt) => failures.push(`${key} ${attempt}`),
    clock,
    random: seededRandom(1),
  });
  return { clock, worked, failures, queue };
}

const done = async (): Promise<Outcome> => "done";

describe("a keyed queue", () => {
  it("works once on a key that is added many times", async () => {
    const { clock, worked, queue } = rig(done);
    for (let i = 0; i < 5; i += 1) queue.add("a");
    await clock.advance(0);
    // The first is under way at once, and what was added meanwhile is one more.
    expect(worked).toEqual(["a", "a"]);
  });

  it("never works twice on a key at a time, and not on more than four", async () => {
    const ends: (() => void)[] = [];
    const { clock, worked, queue } = rig(() => new Promise((resolve) => ends.push(() => resolve("done"))));
    for (const key of ["a", "b", "c", "d", "e"]) queue.add(key);
    await clock.advance(0);
    queue.add("a");
    expect(worked).toEqual(["a", "b", "c", "d"]);
    ends[0]?.();
    await clock.advance(0);
    expect(worked).toEqual(["a", "b", "c", "d", "e"]);
    for (const end of ends) end();
    await clock.advance(0);
    expect(worked).toEqual(["a", "b", "c", "d", "e", "a"]);
    ends.at(-1)?.();
  });

  it("tries what failed again, later each time and at least every 10 s, and says how often", async () => {
    let isBroken = true;
    const { clock, worked, failures, queue } = rig(async () => {
      if (isBroken) throw new Error("broken");
      return "done";
    });
    queue.add("a");
    await pass(clock, 60_000);
    expect(failures.slice(0, 3)).toEqual(["a 0", "a 1", "a 2"]);
    expect(worked.length).toBeGreaterThan(6);
    isBroken = false;
    await pass(clock, 10_000);
    const { length } = worked;
    await pass(clock, 60_000);
    expect(worked).toHaveLength(length);
  });

  it("tries again without a complaint what the state says already", async () => {
    const { clock, worked, failures, queue } = rig(async () => "again");
    queue.add("a");
    await pass(clock, 30_000);
    expect(worked.length).toBeGreaterThan(3);
    expect(failures).toEqual([]);
    await queue.stop();
  });

  it("works at once on a key that waits for another attempt and is added", async () => {
    const { clock, worked, queue } = rig(async () => "again");
    queue.add("a");
    await pass(clock, 30_000);
    const { length } = worked;
    queue.add("a");
    await clock.advance(0);
    expect(worked).toHaveLength(length + 1);
    await queue.stop();
  });

  it("begins 200 keys a second after the first 200", async () => {
    const { clock, worked, queue } = rig(done);
    for (let i = 0; i < 1_000; i += 1) queue.add(`key-${i}`);
    await clock.advance(0);
    expect(worked).toHaveLength(200);
    await pass(clock, 1_000);
    expect(worked).toHaveLength(400);
    await pass(clock, 3_000);
    expect(worked).toHaveLength(1_000);
  });

  it("works first on what changed, and then on what is only looked at again", async () => {
    const { clock, worked, queue } = rig(done);
    for (let i = 0; i < 1_000; i += 1) queue.addForReview(`key-${i}`);
    await clock.advance(0);
    queue.add("key-999");
    queue.add("new");
    await pass(clock, 10);
    expect(worked.slice(200)).toEqual(["key-999", "new"]);
    await pass(clock, 10_000);
    expect(worked).toHaveLength(1_001);
  });

  it("begins nothing after it was stopped", async () => {
    const { clock, worked, queue } = rig(async () => "again");
    queue.add("a");
    await clock.advance(0);
    await queue.stop();
    queue.add("b");
    await pass(clock, 60_000);
    expect(worked).toEqual(["a"]);
  });
});
