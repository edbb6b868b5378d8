import { describe, expect, it } from "@jest/globals";
import { Semaphore } from "../../../../shared/flow/semaphore.ts";
import { settle } from "../../../support/test-clock.ts";

describe("slots", () => {
  it("lets in as many as there are, then one for each that leaves, in the order of arrival", async () => {
    const slots = new Semaphore(2);
    const inside: number[] = [];
    const releases: (() => void)[] = [];
    for (const task of [1, 2, 3, 4]) {
      void slots.take().then((release) => {
        inside.push(task);
        releases.push(release);
      });
    }
    await settle();
    expect(inside).toEqual([1, 2]);
    releases[1]?.();
    await settle();
    expect(inside).toEqual([1, 2, 3]);
    releases[0]?.();
    await settle();
    expect(inside).toEqual([1, 2, 3, 4]);
  });

  it("forgets who gave up waiting", async () => {
    const slots = new Semaphore(1);
    const release = await slots.take();
    const abort = new AbortController();
    const impatient = slots.take(abort.signal);
    const patient = slots.take();
    abort.abort(new Error("gone"));
    await expect(impatient).rejects.toThrow("gone");
    release();
    (await patient)();
    await slots.take();
  });
});
