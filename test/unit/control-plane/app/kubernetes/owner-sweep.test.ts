import { describe, expect, it } from "@jest/globals";
import { OwnerSweep } from "../../../../../control-plane/app/kubernetes/owner-sweep.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const MINUTE_MS = 60_000;

function setUp(namespace: string | undefined) {
  const clock = new TestClock();
  const state = { leads: true, since: clock.now(), token: 1n, isAway: false, left: [50, 3, 0] };
  const calls: string[] = [];
  const sweep = new OwnerSweep({
    store: {
      releaseOthers: async (kept, { lease }) => {
        if (state.isAway) throw new Error("PostgreSQL does not answer");
        calls.push(`${kept ?? "none"} under ${lease?.token}`);
        return state.left.shift() ?? 0;
      },
    },
    namespace,
    lead: () => (state.leads ? { fence: { holder: "r-1", token: state.token }, since: state.since } : undefined),
    clock,
    logger: silentLogger,
  });
  sweep.start();
  return { clock, state, calls, sweep };
}

describe("what custom resources of another namespace declared", () => {
  it("is released after ten minutes of a term, in batches until none is left, once", async () => {
    const { clock, calls } = setUp("skerry");
    await clock.advance(9 * MINUTE_MS);
    expect(calls).toEqual([]);
    await clock.advance(MINUTE_MS);
    expect(calls).toEqual(["skerry under 1", "skerry under 1", "skerry under 1"]);
    await clock.advance(60 * MINUTE_MS);
    expect(calls).toHaveLength(3);
  });

  it("is all there is where no namespace is carried out", async () => {
    const { clock, calls } = setUp(undefined);
    await clock.advance(10 * MINUTE_MS);
    expect(calls[0]).toBe("none under 1");
  });

  it("is the leader's business, for ten minutes of each term anew", async () => {
    const { clock, state, calls } = setUp("skerry");
    state.leads = false;
    await clock.advance(20 * MINUTE_MS);
    expect(calls).toEqual([]);
    Object.assign(state, { leads: true, since: clock.now(), token: 2n });
    await clock.advance(9 * MINUTE_MS);
    expect(calls).toEqual([]);
    await clock.advance(MINUTE_MS);
    expect(calls[0]).toBe("skerry under 2");
  });

  it("is tried again while PostgreSQL does not answer", async () => {
    const { clock, state, calls } = setUp("skerry");
    state.isAway = true;
    await clock.advance(15 * MINUTE_MS);
    state.isAway = false;
    await clock.advance(MINUTE_MS);
    expect(calls).toHaveLength(3);
  });

  it("is left alone after the stop", async () => {
    const { clock, calls, sweep } = setUp("skerry");
    await sweep.stop();
    await clock.advance(20 * MINUTE_MS);
    expect(calls).toEqual([]);
  });
});
