import { afterEach, describe, expect, it } from "@jest/globals";
import type {
  InferenceRequest,
  InferenceResponse,
} from "../../../../../control-plane/app/inference/inference-request.ts";
import { EvidenceMeter } from "../../../../../control-plane/app/rollouts/evidence-meter.ts";
import { GateVerdicts } from "../../../../../control-plane/app/rollouts/gate-verdicts.ts";
import { NOTHING_COUNTED } from "../../../../../control-plane/core/rollout/gate/evidence.ts";
import { SampleRequests } from "../../../../../control-plane/app/rollouts/sample-requests.ts";
import type { RolloutRecord } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import { gateSpec } from "../../../../../shared/api/v1/rollouts/rollout-spec.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { JSON_BODY } from "../../../../../shared/protocol/frames/inference-frame.ts";
import { aRollout } from "../../../../support/fleet/a-rollout.ts";
import { aDeployment, aFleet, aNode, aPlacement, aVersion } from "../../../../support/fleet/fleet-builder.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const WAVE = { deployment: "digits", rollout: 1, wave: 1 };
const BAKE_MS = 60_000;
const [a, b] = [aNode("edge-a"), aNode("cloud-a", { kind: "cloud" })];
const placements = [aPlacement(a, { version: 1 }), aPlacement(b, { version: 2 })];

let running: SampleRequests | undefined;
afterEach(() => running?.stop());

/** A wave of digits bakes, of which 6 requests are wanted and nobody asks anything. */
function aQuietWave({
  record = {} as Partial<RolloutRecord>,
  samples = ["one", "two"] as readonly string[] | string,
} = {}) {
  const clock = new TestClock(0);
  const evidence = new EvidenceMeter();
  const gate = gateSpec.parse({ minRequests: 6, useSamples: true });
  const spec = { name: "digits", model: "digits", version: 2, rollout: {} };
  const deployment = aDeployment(spec, { rollout: aRollout({ gate, ...record }) });
  const fleet = aFleet({
    nodes: [a, b],
    placements,
    deployments: [deployment],
    versions: [aVersion("digits", 1), aVersion("digits", 2)],
  });
  const asked: string[] = [];
  const failing = new Map<string, InferenceResponse["code"]>();
  const facts = { isLeading: true };
  const reports = { of: () => evidence.of(WAVE)?.counted ?? NOTHING_COUNTED };
  const deploymentsAsked = new Set<string | undefined>();
  const infer = async ({ version = "", deployment: of, body }: InferenceRequest): Promise<InferenceResponse> => {
    deploymentsAsked.add(of);
    asked.push(`${new TextDecoder().decode(body[0])} to ${version}`);
    const code = failing.get(version);
    const label = code === undefined ? 7 : 0;
    const outputs = [{ name: "label", datatype: "INT64", shape: [1], data: [label] }];
    const placement = placements.find((each) => String(each.version) === version)?.id;
    return {
      status: code === undefined ? 200 : 500,
      code,
      retryAfterMs: undefined,
      headerLength: JSON_BODY,
      body: own(new TextEncoder().encode(JSON.stringify({ model_name: "digits", outputs }))),
      node: undefined,
      modelVersion: undefined,
      route: { placement, reason: "pinned", etaMs: undefined, candidates: 1, attempt: 1 },
      timing: { routeMs: 0, wireMs: 0, queueMs: 0, inferMs: 0 },
    };
  };
  running = new SampleRequests({
    fleet: { snapshot: () => fleet },
    evidence,
    reports,
    samplesOf: async () =>
      typeof samples === "string"
        ? samples
        : samples.map((text) => ({ body: new TextEncoder().encode(text), headerLength: JSON_BODY })),
    infer,
    isLeading: () => facts.isLeading,
    clock,
    logger: silentLogger,
  });
  running.start();
  const verdict = () =>
    new GateVerdicts({ reports, samples: running ?? { whyNone: () => undefined }, clock }).of(fleet, {
      deployment,
      phaseMs: BAKE_MS,
    });
  return {
    clock,
    asked,
    deploymentsAsked,
    failing,
    facts,
    evidence,
    verdict,
    counted: () => evidence.of(WAVE)?.counted,
  };
}

describe("samples in a wave with too few callers", () => {
  it("are asked of both versions by turns when the bake is over, until the new one had as many as are wanted", async () => {
    const { clock, asked, deploymentsAsked, counted, verdict } = aQuietWave();
    await clock.advance(BAKE_MS - 1);
    expect(asked).toEqual([]);
    await clock.advance(2_000);
    expect(asked.slice(0, 4)).toEqual(["one to 1", "one to 2", "two to 2", "two to 1"]);
    await clock.advance(60_000);
    expect(asked).toHaveLength(12);
    expect([...deploymentsAsked]).toEqual(["digits"]);
    expect(counted()).toMatchObject({
      old: { requests: 0 },
      new: { requests: 0 },
      samples: { old: { requests: 6 }, new: { requests: 6, errors: {} } },
    });
    expect(verdict()?.findings[0]).toMatchObject({
      check: "requests",
      result: "pass",
      sentence: "the new version had 6 requests (6 of them its samples) and the old one 6; 6 of the new one are wanted",
    });
  });

  it("make up for what callers have not asked", async () => {
    const { clock, asked, evidence } = aQuietWave();
    const measured = { ...WAVE, old: 1, new: 2, copies: false };
    for (let at = 0; at < 5; at += 1) evidence.answered(measured, { version: 2, code: undefined, kind: "edge", ms: 5 });
    await clock.advance(2 * BAKE_MS);
    expect(asked).toEqual(["one to 1", "one to 2"]);
  });

  it("stop a version that fails on them", async () => {
    const { clock, failing, verdict } = aQuietWave({
      record: { gate: gateSpec.parse({ minRequests: 200, useSamples: true }) },
    });
    failing.set("2", "RUN_FAILED");
    await clock.advance(2 * BAKE_MS);
    const found = verdict();
    expect(found?.verdict).toBe("fail");
    expect(found?.findings.find(({ check }) => check === "errors")?.sentence).toMatch(
      /^with its samples: \d+ of \d+ requests \(100 %\) of the new version failed \(RUN_FAILED \d+\), 0 of/,
    );
  });

  it("say nothing of a version that has no room for them", async () => {
    const { clock, failing, asked, counted } = aQuietWave();
    failing.set("2", "QUEUE_FULL");
    await clock.advance(BAKE_MS + 10_000);
    expect(asked.length).toBeGreaterThan(2);
    expect(counted()?.samples.new.requests).toBe(0);
  });

  it("are asked once a second at most while nobody can answer them", async () => {
    const { clock, failing, asked } = aQuietWave();
    failing.set("1", "MODEL_NOT_READY").set("2", "MODEL_NOT_READY");
    await clock.advance(BAKE_MS + 10_000);
    expect(asked.length).toBeGreaterThan(2);
    expect(asked.length).toBeLessThanOrEqual(2 * 11);
  });

  it("are compared where answers are", async () => {
    const { clock, counted } = aQuietWave({ record: { strategy: "shadow", share: 0 } });
    await clock.advance(2 * BAKE_MS);
    expect(counted()?.samples.new.shadow).toEqual({ compared: 6, agreed: 6, largestDifference: 0 });
  });

  it("that do not exist are named in what the gate waits for", async () => {
    const { clock, asked, verdict } = aQuietWave({ samples: "digits:2 has no samples (samples.npz)" });
    await clock.advance(2 * BAKE_MS);
    expect(asked).toEqual([]);
    expect(verdict()?.findings[0]?.sentence).toMatch(/; digits:2 has no samples \(samples.npz\)$/);
  });

  it("are asked by the control plane that leads, and by none while the rollout is paused", async () => {
    const following = aQuietWave();
    following.facts.isLeading = false;
    await following.clock.advance(2 * BAKE_MS);
    expect(following.asked).toEqual([]);
    running?.stop();
    const paused = aQuietWave({ record: { phase: "paused", resumes: "baking" } });
    await paused.clock.advance(2 * BAKE_MS);
    expect(paused.asked).toEqual([]);
  });

  it("are not asked without `useSamples`", async () => {
    const { clock, asked } = aQuietWave({ record: { gate: gateSpec.parse({ minRequests: 6 }) } });
    await clock.advance(2 * BAKE_MS);
    expect(asked).toEqual([]);
  });
});
