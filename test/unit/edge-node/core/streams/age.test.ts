import { describe, expect, it } from "@jest/globals";
import { resumedAge } from "../../../../../edge-node/core/streams/age.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.parse("2026-05-01");

describe("the age of a store of streams after a start", () => {
  it.each([
    ["is nothing for a new one", undefined, NOW, 0],
    ["counts the time that the node was off", { ageMs: HOUR, wallMs: NOW - DAY }, NOW, HOUR + DAY],
    ["does not shrink when the calendar went back", { ageMs: HOUR, wallMs: NOW }, NOW - DAY, HOUR],
    ["does not jump when the calendar began in 1970 and is right now", { ageMs: HOUR, wallMs: HOUR }, NOW, HOUR],
    ["does not jump when the calendar is in another century", { ageMs: HOUR, wallMs: NOW }, NOW * 3, HOUR],
  ])("%s", (_what, mark, wallNow, age) => {
    expect(resumedAge(mark, wallNow)).toBe(age);
  });
});
