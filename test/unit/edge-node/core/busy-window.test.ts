import { describe, expect, it } from "@jest/globals";
import { BusyWindow } from "../../../../edge-node/core/busy-window.ts";

describe("the work of a window of 10 s", () => {
  it("is known when the window is over, and until the next one is", () => {
    const work = new BusyWindow(1_000);
    work.add(300, 2_000);
    work.add(200, 10_999);
    expect(work.lastMs(10_999)).toBe(0);
    expect(work.lastMs(11_000)).toBe(500);
    work.add(100, 12_000);
    expect(work.lastMs(20_999)).toBe(500);
    expect(work.lastMs(21_000)).toBe(100);
  });

  it("is none after a window in which nothing came", () => {
    const work = new BusyWindow(0);
    work.add(300, 1_000);
    expect(work.lastMs(25_000)).toBe(0);
    work.add(100, 26_000);
    expect(work.lastMs(30_000)).toBe(100);
  });
});
