import { describe, expect, it } from "@jest/globals";
import { count, formatAge, formatBytes, parseDuration } from "../../../../cli/output/units.ts";

describe("units", () => {
  it.each([
    [0, "0s"],
    [-5, "0s"],
    [1400, "1s"],
    [119_000, "119s"],
    [120_000, "2m"],
    [3_599_000, "59m"],
    [3_600_000, "1h"],
    [12_000_000, "3h20m"],
    [36_000_000, "10h"],
    [200_000_000, "2d"],
  ])("shows an age of %i ms as %s", (ms, text) => expect(formatAge(ms)).toBe(text));

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [867_103, "847 KiB"],
    [1_288_490_189, "1.2 GiB"],
  ])("shows %i bytes as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["2m", 120_000],
    ["1.5h", 5_400_000],
    ["7d", 604_800_000],
    ["7", 7000],
  ])("reads the time %s", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(["", "s", "-1s", "1w", "1 s", "1e3", "soon"])("refuses the time %j", (text) =>
    expect(parseDuration(text)).toBeNull(),
  );

  it("counts one thing and many", () => {
    expect([count(1, "node"), count(2, "node"), count(0, "reply", "replies")]).toEqual([
      "1 node",
      "2 nodes",
      "0 replies",
    ]);
  });
});
