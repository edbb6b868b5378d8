import { describe, expect, it } from "@jest/globals";
import { AuditNotes } from "../../../../../control-plane/app/events/audit-notes.ts";
import type { Logger } from "../../../../../shared/base/logging/logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

describe("the notes of the audit log's head", () => {
  it("are a line for each hour, of the leader alone, also after an outage", async () => {
    const clock = new TestClock();
    const state = { isLeading: true, isAway: false };
    const lines: unknown[] = [];
    const logger: Logger = {
      debug: () => undefined,
      info: (fields) => void lines.push(fields),
      warn: () => void lines.push("away"),
      error: () => undefined,
    };
    const head = async () => {
      if (state.isAway) throw new Error("away");
      return { id: "7", hash: "ab", newest: "7" };
    };
    const notes = new AuditNotes({ audit: { head }, isLeading: () => state.isLeading, clock, logger });
    notes.start();
    const hour = async (): Promise<void> => {
      await clock.advance(3_600_000);
      await settle();
    };
    await hour();
    state.isAway = true;
    await hour();
    Object.assign(state, { isAway: false, isLeading: false });
    await hour();
    state.isLeading = true;
    await hour();
    expect(lines).toEqual([{ head: "7:ab" }, "away", { head: "7:ab" }]);
    await notes.stop();
    await hour();
    expect(lines.length).toBe(3);
  });
});
