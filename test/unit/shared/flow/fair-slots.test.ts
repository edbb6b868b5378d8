import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { FairSlots } from "../../../../shared/flow/fair-slots.ts";
import { settle } from "../../../support/test-clock.ts";

/** Tasks of owners, by what they are called; each stays inside until it is released. */
class Tasks {
  readonly inside: string[] = [];
  readonly #slots: FairSlots;
  readonly #releases = new Map<string, () => void>();

  constructor(slots: FairSlots) {
    this.#slots = slots;
  }

  async come(...tasks: readonly string[]): Promise<void> {
    for (const task of tasks) {
      void this.#slots.take(task.charAt(0)).then((release) => {
        this.inside.push(task);
        this.#releases.set(task, release);
      });
    }
    await settle();
  }

  async leave(task: string): Promise<void> {
    this.inside.splice(this.inside.indexOf(task), 1);
    this.#releases.get(task)?.();
    await settle();
  }
}

describe("slots of which one owner gets some", () => {
  it("keep one for another owner, who passes those that wait for their own", async () => {
    const tasks = new Tasks(new FairSlots({ count: 3, ofOne: 2 }));
    await tasks.come("a1", "a2", "a3", "b1", "b2", "c1");
    expect(tasks.inside).toEqual(["a1", "a2", "b1"]);
    await tasks.leave("a1");
    expect(tasks.inside).toEqual(["a2", "b1", "a3"]);
    await tasks.leave("b1");
    expect(tasks.inside).toEqual(["a2", "a3", "b2"]);
    await tasks.leave("b2");
    expect(tasks.inside).toEqual(["a2", "a3", "c1"]);
  });

  it("forget who gave up waiting", async () => {
    const slots = new FairSlots({ count: 1, ofOne: 1 });
    const release = await slots.take("a");
    const abort = new AbortController();
    const impatient = slots.take("b", abort.signal);
    const patient = slots.take("a");
    abort.abort(new Error("gone"));
    await expect(impatient).rejects.toThrow("gone");
    release();
    (await patient)();
    await slots.take("c");
  });

  it("are never more than there are, nor more of one owner, and no task waits that may enter", async () => {
    const anyTask = fc.constantFrom("a", "b", "c");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(anyTask, fc.nat(5)), { maxLength: 20 }), async (moves) => {
        const tasks = new Tasks(new FairSlots({ count: 3, ofOne: 2 }));
        const come: string[] = [];
        const left: string[] = [];
        for (const [at, move] of moves.entries()) {
          if (typeof move === "string") {
            come.push(`${move}${at}`);
            await tasks.come(`${move}${at}`);
          } else {
            const task = tasks.inside[move % Math.max(1, tasks.inside.length)];
            if (task === undefined) continue;
            left.push(task);
            await tasks.leave(task);
          }
          const of = (owner: string) => tasks.inside.filter((task) => task.startsWith(owner)).length;
          expect(tasks.inside.length).toBeLessThanOrEqual(3);
          for (const owner of ["a", "b", "c"]) expect(of(owner)).toBeLessThanOrEqual(2);
          const waiting = come.filter((task) => !tasks.inside.includes(task) && !left.includes(task));
          if (tasks.inside.length < 3) expect(waiting.filter((task) => of(task.charAt(0)) < 2)).toEqual([]);
        }
      }),
    );
  });
});
