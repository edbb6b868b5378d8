import { describe, expect, it } from "@jest/globals";
import { Silence } from "../../../../edge-node/core/silence.ts";

describe("Silence", () => {
  it("grows while no byte comes and starts over with one", () => {
    const silence = new Silence(1_000, 0);
    expect(silence.tick(1_000, 0)).toBe(1_000);
    expect(silence.tick(2_000, 0)).toBe(2_000);
    expect(silence.tick(3_000, 2_400)).toBe(600);
    expect(silence.tick(4_000, 2_400)).toBe(1_600);
  });

  it("does not blame the other side for a time in which this process stood still", () => {
    const silence = new Silence(1_000, 0);
    silence.tick(1_000, 900);
    expect(silence.tick(60_000, 900)).toBe(2_100);
    expect(silence.tick(61_000, 60_500)).toBe(500);
  });
});
