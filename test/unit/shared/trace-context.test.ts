import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { seededRandom } from "../../../shared/random.ts";
import { formatTraceparent, nextHop, parseTraceparent } from "../../../shared/trace-context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

describe("a trace context", () => {
  it("is read, and keeps its trace id and its flag at the next hop, whose span is new", () => {
    const caller = parseTraceparent(`00-${TRACE}-${SPAN}-01`);
    expect(caller).toEqual({ traceId: TRACE, spanId: SPAN, isSampled: true });
    const hop = nextHop(caller, seededRandom(1));
    expect(hop).toMatchObject({ traceId: TRACE, isSampled: true });
    expect(hop.spanId).not.toBe(SPAN);
  });

  it("of a later version is read as far as this one knows it", () => {
    expect(parseTraceparent(`01-${TRACE}-${SPAN}-00-more`)).toMatchObject({ traceId: TRACE, isSampled: false });
  });

  it.each([
    "",
    "00-x",
    `ff-${TRACE}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}`,
  ])("is not taken from %j", (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  it("that is made anew is always a valid one", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const made = nextHop(undefined, seededRandom(seed));
        expect(parseTraceparent(formatTraceparent(made))).toEqual(made);
      }),
    );
  });

  it("that is made anew is recorded for one request in a thousand", () => {
    const random = seededRandom(3);
    const sampled = Array.from({ length: 100_000 }, () => nextHop(undefined, random)).filter((hop) => hop.isSampled);
    expect(sampled.length).toBeGreaterThan(60);
    expect(sampled.length).toBeLessThan(150);
  });
});
