import { describe, expect, it } from "@jest/globals";
import { NodeLog } from "../../../../../edge-node/app/session/node-log.ts";
import { TestClock } from "../../../../support/test-clock.ts";

describe("the log of a node", () => {
  it("keeps its newest lines for the node's own page, sent or not", async () => {
    const clock = new TestClock();
    const log = new NodeLog(clock);
    for (let at = 0; at < 60; at += 1) log.add("warn", `line ${at}`);
    expect(log.unsent).toBe(60);
    log.connect(() => undefined);
    await clock.advance(1_000);
    expect(log.unsent).toBe(0);
    const recent = log.recent();
    expect([recent.length, recent[0], recent.at(-1)]).toEqual([
      50,
      { level: "warn", ageMs: 1_000, msg: "line 10" },
      { level: "warn", ageMs: 1_000, msg: "line 59" },
    ]);
  });
});
