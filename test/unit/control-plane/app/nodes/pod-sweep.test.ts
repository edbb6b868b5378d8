import { describe, expect, it } from "@jest/globals";
import { PodSweep } from "../../../../../control-plane/app/nodes/pod-sweep.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const SWEEP_MS = 10_000;

function setUp() {
  const clock = new TestClock();
  const state = { isLeading: true, isAway: false, uids: new Set(["u-1", "u-2"]), warnings: 0 };
  const removed: string[] = [];
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    error: () => undefined,
    warn: () => (state.warnings += 1),
  };
  const sweep = new PodSweep({
    pods: {
      identify: () => Promise.resolve(null),
      podUids: () =>
        state.isAway
          ? Promise.reject(new SkerryError("CLUSTER_UNAVAILABLE", "connect ECONNREFUSED"))
          : Promise.resolve(state.uids),
    },
    store: {
      podNodes: () =>
        Promise.resolve([
          { name: "pod-1", podUid: "u-1" },
          { name: "pod-2", podUid: "u-2" },
        ]),
      removePodNode: (_fence, { name }, { reason }) => {
        removed.push(`${name} ${reason}`);
        return Promise.resolve();
      },
    },
    lease: () => (state.isLeading ? { holder: "r-1", token: 1n } : undefined),
    clock,
    logger: logger as never,
  });
  sweep.start();
  return { clock, state, removed, sweep };
}

describe("nodes whose pods are gone", () => {
  it("are removed, and the others stay", async () => {
    const { clock, state, removed } = setUp();
    await clock.advance(SWEEP_MS);
    expect(removed).toEqual([]);
    state.uids = new Set(["u-2"]);
    await clock.advance(SWEEP_MS);
    expect(removed).toEqual(["pod-1 NodeRemoved"]);
  });

  it("are the leader's business", async () => {
    const { clock, state, removed } = setUp();
    state.isLeading = false;
    state.uids = new Set();
    await clock.advance(3 * SWEEP_MS);
    expect(removed).toEqual([]);
  });

  it("are not guessed while the API server is away, and an outage is one line in the log", async () => {
    const { clock, state, removed } = setUp();
    state.isAway = true;
    await clock.advance(5 * SWEEP_MS);
    expect([removed, state.warnings]).toEqual([[], 1]);
    state.isAway = false;
    state.uids = new Set();
    await clock.advance(SWEEP_MS);
    expect(removed).toEqual(["pod-1 NodeRemoved", "pod-2 NodeRemoved"]);
  });

  it("are looked for no more after the stop", async () => {
    const { clock, state, removed, sweep } = setUp();
    await sweep.stop();
    state.uids = new Set();
    await clock.advance(5 * SWEEP_MS);
    expect(removed).toEqual([]);
  });
});
