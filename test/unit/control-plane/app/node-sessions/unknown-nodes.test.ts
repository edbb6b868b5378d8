import { describe, expect, it } from "@jest/globals";
import { UnknownNodes } from "../../../../../control-plane/app/node-sessions/unknown-nodes.ts";
import { TestClock } from "../../../../support/test-clock.ts";

describe("nodes that are not recorded", () => {
  it("are reported once an hour each, and at most twenty of them in an hour", async () => {
    const clock = new TestClock();
    const told: string[] = [];
    const nodes = new UnknownNodes({
      clock,
      recorder: { record: ({ reason, object }) => told.push(`${reason} of ${object}`) },
    });
    nodes.refused("n-1");
    nodes.refused("n-1");
    expect(told).toEqual(["UnknownNode of node/n-1"]);
    await clock.advance(3_600_000);
    nodes.refused("n-1");
    expect(told).toHaveLength(2);
    for (let index = 0; index < 100; index += 1) nodes.refused(`n-made-up-${index}`);
    expect(told).toHaveLength(21);
  });
});
