import { describe, expect, it } from "@jest/globals";
import { nearest } from "../../../../cli/suggest/nearest.ts";

describe("the name that was meant", () => {
  it.each([
    ["edge-aa", "edge-a"],
    ["egde-a", "edge-a"],
    ["edg-b", "edge-b"],
    ["harb", "harbour-cam"],
    ["digts", "digits"],
  ])("for %s is %s", (wrong, meant) => {
    expect(nearest(wrong, ["edge-a", "edge-b", "harbour-cam", "digits"])).toBe(meant);
  });

  it.each(["completely-else", "", "x"])("is not known for %j", (wrong) => {
    expect(nearest(wrong, ["edge-a", "digits"])).toBeUndefined();
  });

  it("is not looked for when the name is right", () => {
    expect(nearest("edge-a", ["edge-a", "edge-b"])).toBeUndefined();
  });
});
