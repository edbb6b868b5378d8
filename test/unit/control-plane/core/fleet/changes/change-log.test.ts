import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  ChangeLog,
  messageOf,
  type ListChange,
} from "../../../../../../control-plane/core/fleet/changes/change-log.ts";

interface Thing {
  readonly name: string;
  readonly colour: string;
  readonly ageMs: number;
}

const logOf = (maxChanges = 100): ChangeLog<Thing> =>
  new ChangeLog({ nameOf: ({ name }) => name, lasting: ({ colour }) => colour, maxChanges });
const thing = (name: string, colour: string, ageMs = 0): Thing => ({ name, colour, ageMs });
const all = (): boolean => true;
const isBlue = ({ colour }: Thing): boolean => colour === "blue";

const seenBy = (changes: readonly ListChange<Thing>[], isVisible: (item: Thing) => boolean): readonly string[] =>
  changes.flatMap((change) => {
    const message = messageOf(change, isVisible);
    return message ? [`${message.revision} ${message.event} ${message.item.name}`] : [];
  });

describe("a change log", () => {
  it("has one revision for each object that came, changed or went", () => {
    const log = logOf();
    log.update([thing("a", "red"), thing("b", "red")]);
    log.update([thing("b", "blue"), thing("c", "red")]);
    expect(seenBy(log.after(0, 100) ?? [], all)).toEqual([
      "1 added a",
      "2 added b",
      "3 modified b",
      "4 added c",
      "5 deleted a",
    ]);
  });

  it("takes a new age for no change, and keeps it", () => {
    const log = logOf();
    log.update([thing("a", "red", 1)]);
    expect([log.update([thing("a", "red", 2)]), log.revision, log.get("a")?.ageMs]).toEqual([false, 1, 2]);
  });

  it("hands out what follows a revision, a limited number at a time", () => {
    const log = logOf();
    log.update(["a", "b", "c"].map((name) => thing(name, "red")));
    expect(log.after(1, 1)?.map(({ revision }) => revision)).toEqual([2]);
    expect(log.after(3, 1)).toEqual([]);
  });

  it("has nothing to hand out for a revision whose successor is no longer kept", () => {
    const log = logOf(2);
    log.update(["a", "b", "c"].map((name) => thing(name, "red")));
    expect([log.after(0, 9), log.after(1, 9)?.length]).toEqual([undefined, 2]);
  });
});

describe("a change as a follower of the blue things sees it", () => {
  const [red, blue] = [thing("a", "red"), thing("a", "blue")];
  it.each([
    ["a blue one that is new", undefined, blue, ["7 added a"]],
    ["one that became blue", red, blue, ["7 added a"]],
    ["one that stayed blue", blue, blue, ["7 modified a"]],
    ["one that is no longer blue", blue, red, ["7 deleted a"]],
    ["a blue one that is gone", blue, undefined, ["7 deleted a"]],
    ["a red one that is gone", red, undefined, []],
    ["a red one that is new", undefined, red, []],
  ])("of %s", (_title, before, after, expected) => {
    expect(seenBy([{ revision: 7, before, after }], isBlue)).toEqual(expected);
  });

  it("leaves a follower with exactly the list that it may see, from any revision that it has seen", () => {
    const list = fc.uniqueArray(
      fc.record({
        name: fc.constantFrom("a", "b", "c", "d"),
        colour: fc.constantFrom("red", "blue"),
        ageMs: fc.nat(),
      }),
      { selector: ({ name }) => name },
    );
    fc.assert(
      fc.property(fc.array(list, { minLength: 1, maxLength: 8 }), fc.nat(7), (lists, start) => {
        const log = logOf(1_000);
        const known = new Map<string, string>();
        let cursor = 0;
        for (const [index, now] of lists.entries()) {
          log.update(now);
          if (index !== Math.min(start, lists.length - 1)) continue;
          cursor = log.revision;
          for (const item of now.filter(isBlue)) known.set(item.name, item.colour);
        }
        for (const change of log.after(cursor, 1_000) ?? []) {
          const message = messageOf(change, isBlue);
          if (message?.event === "deleted") known.delete(message.item.name);
          else if (message) known.set(message.item.name, message.item.colour);
        }
        const expected = (lists.at(-1) ?? []).filter(isBlue).map(({ name }) => name);
        expect([...known.keys()].toSorted()).toEqual(expected.toSorted());
      }),
    );
  });
});
