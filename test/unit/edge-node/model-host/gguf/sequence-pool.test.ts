import { describe, expect, it } from "@jest/globals";
import { SequencePool } from "../../../../../edge-node/model-host/gguf/sequence-pool.ts";

const nothing = (): number => 0;

describe("SequencePool", () => {
  it("gives the place that agrees furthest with the prompt", async () => {
    const pool = new SequencePool(["x", "abc", "ab"]);
    expect(await pool.take((held) => ("abcd".startsWith(held) ? held.length : 0))).toBe("abc");
  });

  it("gives the place that is free longest when none agrees, so that fresh conversations stay", async () => {
    const pool = new SequencePool(["a", "b"]);
    const [first, second] = [await pool.take(nothing), await pool.take(nothing)];
    pool.give(second);
    pool.give(first);
    expect(await pool.take(nothing)).toBe(second);
  });

  it("lets those that find no place wait in their order", async () => {
    const pool = new SequencePool(["only"]);
    const taken: string[] = [];
    await pool.take(nothing);
    const waits = ["first", "second"].map((name) => pool.take(nothing).then(() => taken.push(name)));
    pool.give("only");
    await waits[0];
    expect(taken).toEqual(["first"]);
    pool.give("only");
    await waits[1];
    expect(taken).toEqual(["first", "second"]);
  });
});
