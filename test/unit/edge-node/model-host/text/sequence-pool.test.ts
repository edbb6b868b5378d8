import { describe, expect, it } from "@jest/globals";
import { SequencePool } from "../../../../../edge-node/model-host/text/sequence-pool.ts";

const nothing = (): number => 0;

describe("SequencePool", () => {
  it("gives the place that agrees furthest with the prompt", async () => {
    const pool = new SequencePool([5, 900, 600]);
    expect(await pool.take((tokens) => tokens)).toBe(900);
  });

  it("leaves conversations their places where a new one only begins like them", async () => {
    const pool = new SequencePool(["old", "new"]);
    const [old, fresh] = [await pool.take(nothing), await pool.take(nothing)];
    pool.give(old);
    pool.give(fresh);
    expect(await pool.take((held) => (held === "new" ? 20 : 8))).toBe("old");
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
