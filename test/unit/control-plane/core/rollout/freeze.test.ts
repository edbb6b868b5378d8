import { describe, expect, it } from "@jest/globals";
import { frozenBy, windowText } from "../../../../../control-plane/core/rollout/freeze.ts";
import { freezeWindow } from "../../../../../shared/api/v1/rollouts/freeze-window.ts";

const isFrozen = (window: object, at: string): boolean =>
  frozenBy([freezeWindow.parse(window)], Date.parse(at)) !== undefined;

describe("a frozen window", () => {
  const night = { from: "18:00", to: "06:00" };
  const friday = { days: ["fri"], from: "16:00", to: "08:00", timezone: "Europe/Berlin" };
  const weekend = { days: ["sat"], from: "22:00", to: "06:00", timezone: "Europe/Berlin" };
  const early = { days: ["sun"], from: "02:30", to: "03:30", timezone: "Europe/Berlin" };

  it.each([
    ["from its beginning", { from: "12:00", to: "13:00" }, "2026-03-04T12:00:00Z", true],
    ["not at its end", { from: "12:00", to: "13:00" }, "2026-03-04T13:00:00Z", false],
    ["to the last second", { from: "12:00", to: "13:00" }, "2026-03-04T12:59:59Z", true],
    ["until midnight", { from: "20:00" }, "2026-03-04T23:59:59Z", true],
    ["on its days alone", { days: ["sat", "sun"] }, "2026-03-06T23:59:59Z", false],
    ["all of its days", { days: ["sat", "sun"] }, "2026-03-07T00:00:00Z", true],
    ["before midnight", night, "2026-03-04T18:00:00Z", true],
    ["after midnight", night, "2026-03-04T05:59:00Z", true],
    ["not by day", night, "2026-03-04T06:00:00Z", false],
    ["over midnight into a day that it does not name", friday, "2026-03-07T06:59:00Z", true],
    ["not on the morning of the day that it names", friday, "2026-03-06T06:00:00Z", false],
    ["from a Sunday into a Monday", { days: ["sun"], ...night }, "2026-03-09T01:00:00Z", true],
    ["by the clock of its zone in winter", friday, "2026-03-06T15:00:00Z", true],
    ["not an hour before in winter", friday, "2026-03-06T14:00:00Z", false],
    ["by the clock of its zone in summer", friday, "2026-07-03T14:00:00Z", true],
    ["to its end in the night in which summer time begins", weekend, "2026-03-29T03:59:00Z", true],
    ["no longer in the night in which summer time begins", weekend, "2026-03-29T04:00:00Z", false],
    ["when the clock has passed its beginning by going forward", early, "2026-03-29T01:00:00Z", true],
    ["to its end in the night in which summer time ends", weekend, "2026-10-25T04:59:00Z", true],
    ["both times in an hour that comes twice", early, "2026-10-25T00:45:00Z", true],
    ["both times in an hour that comes twice, of which this is the second", early, "2026-10-25T01:45:00Z", true],
    ["on another day than in UTC", { days: ["tue"], timezone: "Pacific/Auckland" }, "2026-03-02T12:00:00Z", true],
  ])("holds %s", (_, window, at, expected) => {
    expect(isFrozen(window, at)).toBe(expected);
  });

  it("is described by its days, its times and its zone", () => {
    const windows = [{ days: ["sat"] }, { from: "18:00", to: "20:30" }].map((each) => freezeWindow.parse(each));
    const found = frozenBy(windows, Date.parse("2026-03-04T19:00:00Z"));
    expect(found && windowText(found)).toBe("every day 18:00–20:30 (UTC)");
    expect(windowText(freezeWindow.parse({ days: ["sat", "sun"], timezone: "Asia/Tokyo" }))).toBe(
      "sat, sun 00:00–24:00 (Asia/Tokyo)",
    );
  });

  it.each([
    ["timezone", { days: ["mon"], timezone: "Mars/Olympus" }],
    ["from", { from: "24:00", to: "06:00" }],
    ["to", { to: "7:00" }],
    ["to", { from: "08:00", to: "08:00" }],
    ["days", { days: ["sat", "sat"] }],
    ["days", { days: [] }],
    ["days", {}],
    ["", { day: "sat", from: "06:00" }],
  ])("is refused by its field %s: %j", (field, window) => {
    const { error } = freezeWindow.safeParse(window);
    expect(error?.issues.map(({ path }) => path.join("."))).toEqual([field]);
  });
});
