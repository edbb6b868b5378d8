import { describe, expect, it } from "@jest/globals";
import {
  NO_REQUESTS,
  type GateEvidence,
  type VersionEvidence,
} from "../../../../../../control-plane/core/rollout/gate/evidence.ts";
import { judge } from "../../../../../../control-plane/core/rollout/gate/judge.ts";
import { bucketOf } from "../../../../../../control-plane/core/rollout/gate/latency-histogram.ts";
import { gateSpec } from "../../../../../../shared/api/v1/rollouts/rollout-spec.ts";
import { type Random, seededRandom } from "../../../../../../shared/base/random.ts";

const { cos, exp, log, PI, sqrt } = Math;

const GATE = gateSpec.parse({ minRequests: 50 });
const WAITED = { waitedMs: 0 };
const OVERDUE = { waitedMs: 300_000 };

const version = (parts: Partial<VersionEvidence> = {}): VersionEvidence => ({
  ...NO_REQUESTS,
  replicas: 2,
  memoryMiB: 100,
  ...parts,
});

/** `count` answers of `ms`, all on edge nodes. */
const answers = (count: number, ms: number): Pick<VersionEvidence, "requests" | "latency"> => ({
  requests: count,
  latency: { edge: [...Array.from({ length: bucketOf(ms) }, () => 0), count], cloud: [] },
});

const evidence = (old: Partial<VersionEvidence>, fresh: Partial<VersionEvidence>): GateEvidence => ({
  old: version(old),
  new: version(fresh),
});

const resultsOf = (verdict: ReturnType<typeof judge>): Record<string, string> =>
  Object.fromEntries(verdict.findings.map(({ check, result }) => [check, result]));

describe("judge", () => {
  it("passes a version that does what the old one does", () => {
    const verdict = judge(GATE, evidence(answers(1_000, 10), answers(1_000, 10)), WAITED);
    expect(verdict.verdict).toBe("pass");
    expect(verdict.findings.map(({ sentence }) => sentence)).toEqual([
      "the new version had 1000 requests and the old one 1000; 50 of the new one are wanted",
      "0 of 1000 requests (0 %) of the new version failed, 0 of 1000 requests (0 %) of the old one; 1% more are allowed",
      "p95 of the new version is 10 ms against 10 ms on edge nodes; 0 of 1000 answers (0 %) took longer than 2 times the old p95",
      "model hosts of the new version crashed 0 times with 2 replicas, those of the old one 0 times with 2; 0 times is allowed",
    ]);
  });

  it("looks at samples apart from what callers ask, of which the versions get unequal parts", () => {
    // Samples are slow and fail in both: among the requests of callers they would weigh more at the new version.
    const slow = { ...answers(90, 400), requests: 100, errors: { RUN_FAILED: 10 } };
    const samples = { old: { ...NO_REQUESTS, ...slow }, new: { ...NO_REQUESTS, ...slow } };
    const gate = gateSpec.parse({ minRequests: 110, useSamples: true });
    const verdict = judge(gate, { ...evidence(answers(900, 10), answers(20, 10)), samples }, OVERDUE);
    expect(verdict.verdict).toBe("pass");
    expect(verdict.findings[0]?.sentence).toBe(
      "the new version had 120 requests (100 of them its samples) and the old one 1000; 110 of the new one are wanted",
    );
  });

  it("stops a version that is worse on its samples alone", () => {
    const old = { ...NO_REQUESTS, ...answers(400, 10) };
    const fresh = { ...NO_REQUESTS, ...answers(360, 10), requests: 400, errors: { RUN_FAILED: 40 } };
    const verdict = judge(
      GATE,
      { ...evidence(answers(900, 10), answers(100, 10)), samples: { old, new: fresh } },
      WAITED,
    );
    expect(verdict.verdict).toBe("fail");
    expect(verdict.findings.find(({ result }) => result === "fail")?.sentence).toContain(
      "; with its samples: 40 of 400 requests (10 %) of the new version failed (RUN_FAILED 40)",
    );
  });

  it("stops a version of which 5 % fail, and names the code", () => {
    const fresh = { ...answers(190, 10), requests: 200, errors: { RUN_FAILED: 10 } };
    const verdict = judge(GATE, evidence(answers(1_800, 10), fresh), WAITED);
    expect(verdict.verdict).toBe("fail");
    expect(verdict.findings.find(({ check }) => check === "errors")).toEqual({
      check: "errors",
      result: "fail",
      sentence:
        "10 of 200 requests (5 %) of the new version failed (RUN_FAILED 10), 0 of 1800 requests (0 %) of the old one; 1% more are allowed",
    });
  });

  it("stops a version that is three times slower", () => {
    const verdict = judge(GATE, evidence(answers(100, 10), answers(30, 30)), WAITED);
    expect(resultsOf(verdict)["p95-ratio"]).toBe("fail");
    expect(verdict.verdict).toBe("fail");
  });

  it("compares latencies only among nodes of one kind", () => {
    const onCloud = { requests: 300, latency: { edge: [], cloud: answers(300, 10).latency.edge } };
    const verdict = judge(GATE, evidence(onCloud, answers(300, 30)), WAITED);
    expect(resultsOf(verdict)["p95-ratio"]).toBe("more");
  });

  it("holds a version to the p95 that the gate names, also without the old one", () => {
    const gate = gateSpec.parse({ maxP95Ms: 20 });
    expect(resultsOf(judge(gate, evidence({}, answers(300, 30)), WAITED))["p95"]).toBe("fail");
    expect(resultsOf(judge(gate, evidence({}, answers(300, 10)), WAITED))["p95"]).toBe("pass");
    expect(resultsOf(judge(gate, evidence(answers(10, 10), {}), WAITED))["p95"]).toBe("more");
  });

  it("judges the share of faults itself where the old version has no requests", () => {
    const wrong = { ...answers(250, 10), requests: 300, errors: { INVALID_REQUEST: 50 } };
    expect(resultsOf(judge(GATE, evidence({}, wrong), WAITED))["errors"]).toBe("pass");
    const broken = { ...answers(250, 10), requests: 300, errors: { RUN_FAILED: 50 } };
    expect(resultsOf(judge(GATE, evidence({}, broken), WAITED))["errors"]).toBe("fail");
  });

  it("holds no failure against a version while chance alone kept all requests from the old one", () => {
    const failing = (requests: number) => evidence({}, { requests, errors: { RUN_FAILED: requests } });
    const errors = (requests: number, share: number) =>
      resultsOf(judge(gateSpec.parse({}), failing(requests), { ...WAITED, share }))["errors"];
    expect([errors(2, 50), errors(9, 50), errors(10, 50)]).toEqual(["more", "more", "fail"]);
    expect([errors(4, 20), errors(5, 20)]).toEqual(["more", "fail"]);
    expect([errors(2, 100), errors(2, 0)]).toEqual(["fail", "fail"]);
    expect(judge(gateSpec.parse({}), failing(2), { ...OVERDUE, share: 50 }).verdict).toBe("more");
  });

  it("counts refused requests as failures of a version that takes other inputs", () => {
    const fresh = { ...answers(0, 10), requests: 60, errors: { INVALID_REQUEST: 60 } };
    expect(judge(GATE, evidence(answers(600, 10), fresh), WAITED).verdict).toBe("fail");
  });

  it("stops a version whose model host crashed, unless hosts of the old one crash as often", () => {
    const good = answers(1_000, 10);
    expect(judge(GATE, evidence(good, { ...good, crashes: 1 }), WAITED).verdict).toBe("fail");
    expect(judge(GATE, evidence({ ...good, crashes: 1 }, { ...good, crashes: 1 }), WAITED).verdict).toBe("pass");
    expect(judge(GATE, evidence({ ...good, crashes: 1 }, { ...good, crashes: 1, replicas: 1 }), WAITED).verdict).toBe(
      "fail",
    );
    const patient = gateSpec.parse({ maxHostCrashes: 2 });
    expect(judge(patient, evidence(good, { ...good, crashes: 2 }), WAITED).verdict).toBe("pass");
  });

  it("judges memory where the gate names a ratio", () => {
    const gate = gateSpec.parse({ maxMemoryRatio: 1.5 });
    const good = answers(1_000, 10);
    const memory = (memoryMiB: number | undefined): string | undefined =>
      resultsOf(judge(gate, evidence(good, { ...good, memoryMiB }), WAITED))["memory"];
    expect([memory(150), memory(151), memory(undefined)]).toEqual(["pass", "fail", "more"]);
  });

  it("stops a version that decides differently, and waits while too few answers were compared", () => {
    const good = answers(1_000, 10);
    const agreement = (compared: number, agreed: number) =>
      resultsOf(
        judge(GATE, evidence(good, { ...good, shadow: { compared, agreed, largestDifference: 0 } }), {
          ...WAITED,
          comparesAnswers: true,
        }),
      )["agreement"];
    expect(agreement(0, 0)).toBe("more");
    expect(agreement(40, 40)).toBe("more");
    expect(agreement(500, 500)).toBe("pass");
    expect(agreement(500, 450)).toBe("fail");
    expect(resultsOf(judge(GATE, evidence(good, good), WAITED))).not.toHaveProperty("agreement");
  });

  it("holds values to the largest difference", () => {
    const gate = { ...GATE, maxDifference: 0.1 };
    const good = answers(1_000, 10);
    const difference = (compared: number, largestDifference: number) =>
      resultsOf(
        judge(gate, evidence(good, { ...good, shadow: { compared, agreed: compared, largestDifference } }), {
          ...WAITED,
          comparesAnswers: true,
        }),
      )["difference"];
    expect([difference(1, 0.2), difference(1, 0.1), difference(60, 0.1)]).toEqual(["fail", "more", "pass"]);
  });

  it("passes a wave without any requests, unless the gate wants some", () => {
    expect(judge(gateSpec.parse({}), evidence({}, {}), WAITED).verdict).toBe("pass");
    expect(judge(GATE, evidence({}, {}), WAITED).verdict).toBe("more");
    expect(judge(GATE, evidence({}, {}), OVERDUE)).toMatchObject({ verdict: "more", isOverdue: true });
  });

  it("waits for requests, and says when waiting is over", () => {
    expect(judge(GATE, evidence(answers(1_000, 10), answers(10, 10)), WAITED)).toMatchObject({
      verdict: "more",
      isOverdue: false,
    });
    expect(judge(GATE, evidence(answers(1_000, 10), answers(10, 10)), OVERDUE)).toMatchObject({
      verdict: "more",
      isOverdue: true,
    });
  });

  it("passes what is likelier no worse when waiting is over, and nothing that is likelier worse", () => {
    const fine = evidence(answers(1_000, 10), answers(100, 10));
    expect(judge(GATE, fine, WAITED).verdict).toBe("more");
    expect(judge(GATE, fine, OVERDUE).verdict).toBe("pass");
    const doubtful = evidence(answers(1_000, 10), { ...answers(98, 10), requests: 100, errors: { RUN_FAILED: 2 } });
    expect(judge(GATE, doubtful, OVERDUE)).toMatchObject({ verdict: "more", isOverdue: true });
  });

  it("returns at most 10 of 1,000 rollouts between equal versions, asked over and over in two waves", () => {
    const random = seededRandom(21);
    const gate = gateSpec.parse({ maxP95Ratio: 1, maxErrorRate: "1%" });
    const returned = Array.from({ length: 1_000 }, () =>
      [0.1, 0.5].some((part) => waveFails(gate, { part, requests: 600 }, random)),
    ).filter(Boolean).length;
    expect(returned).toBeLessThanOrEqual(10);
  });
});

/** Whether a wave between equal versions is found worse: 2 % of the requests fail, latencies are lognormal. */
function waveFails(
  gate: typeof GATE,
  { part, requests }: { readonly part: number; readonly requests: number },
  random: Random,
): boolean {
  const counts = [0, 1].map(() => ({ requests: 0, failed: 0, edge: Array.from({ length: 80 }, () => 0) }));
  const [old, fresh] = counts;
  if (!old || !fresh) return false;
  for (let index = 1; index <= requests; index += 1) {
    const each = random.next() < part ? fresh : old;
    each.requests += 1;
    if (random.next() < 0.02) each.failed += 1;
    else {
      const normal = sqrt(-2 * log(1 - random.next())) * cos(2 * PI * random.next());
      const bucket = bucketOf(10 * exp(0.5 * normal));
      each.edge[bucket] = (each.edge[bucket] ?? 0) + 1;
    }
    if (index % 50 !== 0) continue;
    const of = ({ requests: all, failed, edge }: typeof old) =>
      version({ requests: all, errors: { RUN_FAILED: failed }, latency: { edge, cloud: [] } });
    const { verdict } = judge(gate, { old: of(old), new: of(fresh) }, WAITED);
    if (verdict === "fail") return true;
    if (verdict === "pass") return false;
  }
  return false;
}
