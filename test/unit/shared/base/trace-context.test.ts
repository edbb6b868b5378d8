import { describe, expect, it } from "@jest/globals";
import { seededRandom } from "../../../../shared/base/random.ts";
import { formatTraceparent, nextHop, parseTraceparent } from "../../../../shared/base/trace-context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

describe("a trace context", () => {
  it("is read, and keeps its trace id and its flag at the next hop, whose span is new", () => {
    const caller = parseTraceparent(`00-${TRACE}-${SPAN}-01`);
    expect(caller).toEqual({ traceId: TRACE, spanId: SPAN, isSampled: true });
    const hop = nextHop(caller, seededRandom(1));
    expect(hop).toEqual({ traceId: TRACE, isSampled: true, spanId: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(hop?.spanId).not.toBe(SPAN);
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

  it("is made anew for one request in a thousand, valid and sampled", () => {
    const random = seededRandom(3);
    const made = Array.from({ length: 100_000 }, () => nextHop(undefined, random)).filter((hop) => hop !== undefined);
    expect(made.length).toBeGreaterThan(60);
    expect(made.length).toBeLessThan(150);
    for (const hop of made) {
      expect(hop.isSampled).toBe(true);
      expect(parseTraceparent(formatTraceparent(hop))).toEqual(hop);
    }
  });
});
