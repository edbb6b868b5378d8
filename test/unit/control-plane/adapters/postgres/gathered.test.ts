import { describe, expect, it } from "@jest/globals";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import { Gathered } from "../../../../../control-plane/adapters/postgres/gathered.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Answers with the length of each word; `end` ends the oldest statement under way. */
function setUp() {
  const asked: (readonly string[])[] = [];
  const ends: (() => void)[] = [];
  const gathered = new Gathered<string, number>({
    keyOf: (word) => word,
    answer: async (words) => {
      asked.push(words);
      await new Promise<void>((resolve) => ends.push(resolve));
      if (words.includes("bad")) throw new Error("bad");
      if (words.includes("away")) throw new SkerryError("DATABASE_UNAVAILABLE", "PostgreSQL does not answer");
      return words.map(({ length }) => length);
    },
  });
  const end = async (): Promise<void> => {
    ends.splice(0).forEach((resolve) => resolve());
    await settle();
  };
  return { gathered, asked, end };
}

describe("gathered questions", () => {
  it("ask at once when nothing is under way, and those that come meanwhile share the next statement", async () => {
    const { gathered, asked, end } = setUp();
    const answers = ["a", "bb", "ccc"].map((word) => gathered.ask(word));
    expect(asked).toEqual([["a"]]);
    await end();
    expect(asked).toEqual([["a"], ["bb", "ccc"]]);
    await end();
    expect(await Promise.all(answers)).toEqual([1, 2, 3]);
  });

  it("are never two with the same key in one statement", async () => {
    const { gathered, asked, end } = setUp();
    const answers = ["a", "b", "b", "c"].map((word) => gathered.ask(word));
    for (let statement = 0; statement < 3; statement += 1) await end();
    expect(await Promise.all(answers)).toEqual([1, 1, 1, 1]);
    expect(asked).toEqual([["a"], ["b", "c"], ["b"]]);
  });

  it("are asked one by one when their statement fails: only the one that is to blame fails", async () => {
    const { gathered, asked, end } = setUp();
    const answers = ["a", "good", "bad"].map((word) => gathered.ask(word));
    const settled = Promise.allSettled(answers);
    for (let statement = 0; statement < 3; statement += 1) await end();
    expect((await settled).map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    expect(asked).toEqual([["a"], ["good", "bad"], ["good"], ["bad"]]);
  });

  it("fail together when PostgreSQL does not answer: it is not asked again for each of them", async () => {
    const { gathered, asked, end } = setUp();
    const settled = Promise.allSettled(["a", "good", "away"].map((word) => gathered.ask(word)));
    for (let statement = 0; statement < 2; statement += 1) await end();
    expect((await settled).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(asked).toEqual([["a"], ["good", "away"]]);
  });

  it("are a hundred at most in one statement", async () => {
    const { gathered, asked, end } = setUp();
    const answers = Array.from({ length: 152 }, (_, index) => gathered.ask(`w${index}`));
    for (let statement = 0; statement < 3; statement += 1) await end();
    await Promise.all(answers);
    expect(asked.map(({ length }) => length)).toEqual([1, 100, 51]);
  });
});
