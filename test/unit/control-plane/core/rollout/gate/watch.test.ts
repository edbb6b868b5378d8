import { describe, expect, it } from "@jest/globals";
import {
  addCounted,
  NO_REQUESTS,
  NOTHING_COUNTED,
  type CountedEvidence,
  type GateEvidence,
  type RequestEvidence,
} from "../../../../../../control-plane/core/rollout/gate/evidence.ts";
import { judge } from "../../../../../../control-plane/core/rollout/gate/judge.ts";
import { bucketOf } from "../../../../../../control-plane/core/rollout/gate/latency-histogram.ts";
import { watch, type Turn } from "../../../../../../control-plane/core/rollout/gate/watch.ts";
import { gateSpec } from "../../../../../../shared/api/v1/rollouts/rollout-spec.ts";
import { seededRandom } from "../../../../../../shared/base/random.ts";

const WAVE = { deployment: "digits", rollout: 1, wave: 1 };
const GATE = gateSpec.parse({ maxP95Ratio: 1 });
const MINUTE_MS = 60_000;

const evidenceOf = ({ old, new: fresh }: CountedEvidence): GateEvidence => ({
  old: { ...old, replicas: 2, memoryMiB: 100 },
  new: { ...fresh, replicas: 2, memoryMiB: 100 },
});

const look = (before: Turn | undefined, counted: CountedEvidence, now: number) =>
  watch(before, { wave: WAVE, counted, gate: GATE, about: { comparesAnswers: false, share: 50 }, now, evidenceOf });

/** All answered within 10 ms but for those that failed. */
const requests = (count: number, failed = 0): RequestEvidence => ({
  ...NO_REQUESTS,
  requests: count,
  errors: failed === 0 ? {} : { RUN_FAILED: failed },
  latency: { edge: [...Array.from({ length: bucketOf(10) }, () => 0), count - failed], cloud: [] },
});
const both = (old: RequestEvidence, fresh: RequestEvidence): CountedEvidence => ({
  ...NOTHING_COUNTED,
  old,
  new: fresh,
});

const LONG_GOOD = both(requests(900_000), requests(100_000));

describe("a version that has passed", () => {
  it("is found worse by what it does since, whatever it did before", () => {
    const { turn, worse } = look(undefined, LONG_GOOD, 0);
    expect(worse).toEqual([]);
    const now = addCounted(LONG_GOOD, both(requests(2_700), requests(300, 15)));
    expect(judge(GATE, evidenceOf(now), { waitedMs: 0 }).verdict).toBe("pass");
    expect(look(turn, now, 1_000).worse).toEqual([
      {
        check: "errors",
        result: "fail",
        sentence:
          "since it passed: 15 of 300 requests (5 %) of the new version failed (RUN_FAILED 15), 0 of 2700 requests (0 %) of the old one; 1% more are allowed",
      },
    ]);
  });

  it("is looked at anew a minute after a turn began that has found nothing", () => {
    const first = look(undefined, LONG_GOOD, 0).turn;
    const more = addCounted(LONG_GOOD, both(requests(900), requests(900)));
    expect(look(first, more, MINUTE_MS - 1).turn).toBe(first);
    expect(look(first, more, MINUTE_MS).turn).toMatchObject({ number: 2, since: MINUTE_MS, from: more });
  });

  it.each([
    ["nobody asked", both(NO_REQUESTS, NO_REQUESTS)],
    ["too few asked", both(requests(9), requests(9))],
  ])("is looked at on in the same turn while %s", (_, asked) => {
    const first = look(undefined, LONG_GOOD, 0).turn;
    expect(look(first, addCounted(LONG_GOOD, asked), 10 * MINUTE_MS)).toEqual({ worse: [], turn: first });
  });

  it("is looked at from the present counts on when those of a control plane are missing, and in another wave", () => {
    const first = look(undefined, LONG_GOOD, 0).turn;
    const less = both(requests(900_100), requests(50_000, 900));
    expect(look({ ...first, number: 3 }, less, 5)).toEqual({
      worse: [],
      turn: { ...first, number: 3, from: less, since: 5 },
    });
    const other = { ...first, wave: { ...WAVE, wave: 2 } };
    expect(look(other, less, 5).turn).toMatchObject({ wave: WAVE, number: 1, from: less });
  });

  it("has to be the more certainly worse the more often it was looked at", () => {
    const first = look(undefined, NOTHING_COUNTED, 0).turn;
    const found = (number: number) => {
      for (let failed = 1; ; failed += 1)
        if (look({ ...first, number }, both(requests(20 * failed), requests(20 * failed, failed)), 1).worse.length > 0)
          return failed;
    };
    const [once, often, mostOften] = [found(1), found(30), found(3_000)];
    expect(often).toBeGreaterThan(once);
    expect(mostOften).toBeGreaterThan(often);
    expect(mostOften).toBeLessThan(4 * once);
  });

  it("returns in at most 10 of 1,000 rollouts where it is as good, judged in two waves and watched long after each", () => {
    const random = seededRandom(31);
    const gate = gateSpec.parse({ maxP95Ratio: 1, maxErrorRate: "1%" });
    const isReturned = (part: number): boolean => {
      let counted: CountedEvidence = NOTHING_COUNTED;
      let turn: Turn | undefined;
      for (let second = 0; second < 180; second += 7.5) {
        counted = addCounted(counted, equalRequests(50, part, random));
        const { verdict } = judge(gate, evidenceOf(counted), { waitedMs: 0, share: 100 * part });
        if (verdict === "fail") return true;
        if (verdict !== "pass" && turn === undefined) continue;
        const about = { comparesAnswers: false, share: 100 * part };
        const found = watch(turn, { wave: WAVE, counted, gate, about, now: second * 1_000, evidenceOf });
        if (found.worse.length > 0) return true;
        turn = found.turn;
      }
      return false;
    };
    const returned = Array.from({ length: 1_000 }, () => [0.1, 0.5].some(isReturned)).filter(Boolean).length;
    expect(returned).toBeLessThanOrEqual(10);
  });
});

/** Of both versions 2 % fail, and 5 % of the answers are slow. */
function equalRequests(count: number, part: number, random: { readonly next: () => number }): CountedEvidence {
  const of = () => ({ requests: 0, failed: 0, edge: Array.from({ length: 60 }, () => 0) });
  const [old, fresh] = [of(), of()];
  for (let index = 0; index < count; index += 1) {
    const each = random.next() < part ? fresh : old;
    each.requests += 1;
    if (random.next() < 0.02) {
      each.failed += 1;
      continue;
    }
    const bucket = bucketOf(random.next() < 0.05 ? 40 : 5 + 10 * random.next());
    each.edge[bucket] = (each.edge[bucket] ?? 0) + 1;
  }
  const evidence = ({ requests: all, failed, edge }: typeof old): RequestEvidence => ({
    ...NO_REQUESTS,
    requests: all,
    errors: { RUN_FAILED: failed },
    latency: { edge, cloud: [] },
  });
  return both(evidence(old), evidence(fresh));
}
