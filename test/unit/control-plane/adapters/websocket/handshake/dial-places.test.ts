import { describe, expect, it } from "@jest/globals";
import { DialPlaces } from "../../../../../../control-plane/adapters/websocket/handshake/dial-places.ts";
import { TestClock } from "../../../../../support/test-clock.ts";

const SITE = "10.0.0.7";

describe("the place of a dial", () => {
  it("is its node's again when it dials again within a minute, and no other address's", async () => {
    const clock = new TestClock();
    const places = new DialPlaces(clock);
    const first = places.take(SITE, "n-1");
    const second = places.take(SITE, "n-2");
    expect(first).toBeLessThan(second);
    await clock.advance(59_999);
    expect(places.take(SITE, "n-1")).toBe(first);
    expect(places.take("10.0.0.8", "n-1")).toBeGreaterThan(second);
    await clock.advance(1);
    expect(places.take(SITE, "n-1")).toBeGreaterThan(second);
  });

  it("ends when its turn has come", () => {
    const places = new DialPlaces(new TestClock());
    const first = places.take(SITE, "n-1");
    const second = places.take(SITE, "n-2");
    places.served(SITE, "n-1");
    expect(places.take(SITE, "n-1")).toBeGreaterThan(second);
    expect(first).toBeLessThan(second);
  });

  it("is not lost to an address that dials with ever other ids", () => {
    const places = new DialPlaces(new TestClock());
    const first = places.take(SITE, "n-1");
    for (let index = 0; index < 9_000; index += 1) places.take("10.0.0.66", `n-${index}`);
    expect(places.take(SITE, "n-1")).toBe(first);
  });

  it("of those that have waited longest goes when there are too many", () => {
    const places = new DialPlaces(new TestClock());
    const numbers = Array.from({ length: 8_193 }, (_, index) => places.take(`10.0.${index % 5}.1`, `n-${index}`));
    expect(places.take("10.0.2.1", "n-8192")).toBe(numbers.at(-1));
    expect(places.take("10.0.0.1", "n-0")).toBeGreaterThan(numbers.at(-1) ?? 0);
  });
});
