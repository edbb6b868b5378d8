import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  chooseHost,
  countedMiB,
  isTooBusy,
  MAX_SHARED_MODELS,
  MAX_SHARES_MIB,
  nameOfNext,
  rowsWithin,
  SHARED_BASE_MIB,
  shareMiB,
  sharedLimitMiB,
  type SharedHostView,
  whyAlone,
} from "../../../../edge-node/core/shared-hosts.ts";

const share = fc.integer({ min: 16, max: 176 });
const host = fc.record({
  name: fc.integer({ min: 1, max: 99 }).map((n) => `shared-${n}`),
  shares: fc.array(share, { maxLength: MAX_SHARED_MODELS }),
  isClosed: fc.boolean(),
});
const hosts = fc.uniqueArray(host, { selector: ({ name }) => name, maxLength: 8 });
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** Models that come one after the other, each into the host that is chosen for it. */
function fill(shares: readonly number[]): readonly SharedHostView[] {
  const filled = new Map<string, SharedHostView>();
  for (const each of shares) {
    const name = chooseHost(each, [...filled.values()]) ?? nameOfNext(new Set(filled.keys()));
    filled.set(name, { name, shares: [...(filled.get(name)?.shares ?? []), each], isClosed: false });
  }
  return [...filled.values()];
}

describe("the shared host of a model", () => {
  it("is one that is open and has room for it, in count and in memory", () => {
    fc.assert(
      fc.property(share, hosts, (mib, known) => {
        const chosen = known.find(({ name }) => name === chooseHost(mib, known));
        if (chosen === undefined) return;
        expect(chosen.isClosed).toBe(false);
        expect(chosen.shares.length).toBeLessThan(MAX_SHARED_MODELS);
        expect(sum(chosen.shares) + mib).toBeLessThanOrEqual(MAX_SHARES_MIB);
      }),
    );
  });

  it("is a new one only when none of those that are there could take it", () => {
    fc.assert(
      fc.property(share, hosts, (mib, known) => {
        const fits = known.some(
          ({ isClosed, shares }) =>
            !isClosed && shares.length < MAX_SHARED_MODELS && sum(shares) + mib <= MAX_SHARES_MIB,
        );
        expect(chooseHost(mib, known) !== undefined).toBe(fits);
      }),
    );
  });

  it("does not depend on the order in which hosts are named", () => {
    fc.assert(
      fc.property(share, hosts, (mib, known) => {
        expect(chooseHost(mib, known.toReversed())).toBe(chooseHost(mib, known));
      }),
    );
  });

  it("leaves no two hosts whose models would fit into one, of models as small as they get", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 64 }), (count) => {
        expect(fill(Array<number>(count).fill(16))).toHaveLength(Math.ceil(count / MAX_SHARED_MODELS));
      }),
    );
  });

  it("has a name of its own", () => {
    expect(nameOfNext(new Set())).toBe("shared-1");
    expect(nameOfNext(new Set(["shared-1", "shared-3"]))).toBe("shared-2");
  });
});

describe("the memory of a shared host", () => {
  it("is what its models are counted for together, so a node's sum has the process once", () => {
    fc.assert(
      fc.property(fc.array(share, { minLength: 1, maxLength: MAX_SHARED_MODELS }), (shares) => {
        expect(sum(shares.map((_, i) => countedMiB(shares, i)))).toBe(sharedLimitMiB(shares));
      }),
    );
  });

  it("is the process alone and a share of each", () => {
    expect(sharedLimitMiB([16, 32])).toBe(SHARED_BASE_MIB + 48);
  });

  it("has a margin above what a model was seen to take", () => {
    expect([0, 12, 13, 100].map(shareMiB)).toEqual([16, 16, 32, 128]);
  });
});

describe("a model keeps a host of its own", () => {
  const quick = { loadCpuMs: 20, runCpuUs: 100, addedMiB: 7, hasRun: true };

  it.each([
    ["quick and small", {}, undefined],
    ["slow in its runs", { runCpuUs: 5_100 }, "a run takes 5.1 ms, and 5 are the most in a shared host"],
    ["slow to load", { loadCpuMs: 501 }, "it loads for 501 ms, and 500 are the most in a shared host"],
    ["large in memory", { addedMiB: 129 }, "it takes 129 MiB, and 128 are the most in a shared host"],
    ["of unknown memory", { addedMiB: undefined }, "what it takes to load could not be measured"],
    ["of unknown load", { loadCpuMs: undefined }, "what it takes to load could not be measured"],
    ["of unknown speed", { hasRun: false }, "no warm run was possible, so nobody knows how long its runs take"],
  ])("%s: %o", (_what, trial, why) => {
    expect(whyAlone({ ...quick, ...trial })).toBe(why);
  });
});

describe("a run in a shared host", () => {
  it("has no more rows than take about 10 ms, and one at least", () => {
    expect(rowsWithin(32, 100)).toBe(32);
    expect(rowsWithin(32, 1_000)).toBe(10);
    expect(rowsWithin(32, 5_000)).toBe(2);
    expect(rowsWithin(32, 0)).toBe(32);
    expect(rowsWithin(1, 50_000)).toBe(1);
  });
});

describe("a model is too busy for its shared host", () => {
  it.each([
    ["much of a busy host's work", { workMs: 2_500, hostWorkMs: 5_000, models: 2 }, true],
    ["little of a busy host's work", { workMs: 2_499, hostWorkMs: 9_000, models: 2 }, false],
    ["much of the work of a host that has time left", { workMs: 4_900, hostWorkMs: 4_999, models: 2 }, false],
    ["all of the work, and nobody else is there", { workMs: 9_000, hostWorkMs: 9_000, models: 1 }, false],
  ])("when it does %s: %o → %s", (_what, of, expected) => {
    expect(isTooBusy(of)).toBe(expected);
  });
});
