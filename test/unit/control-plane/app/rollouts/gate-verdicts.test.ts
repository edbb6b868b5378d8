import { describe, expect, it } from "@jest/globals";
import { GateVerdicts } from "../../../../../control-plane/app/rollouts/gate-verdicts.ts";
import {
  addCounted,
  NO_REQUESTS,
  NOTHING_COUNTED,
  type CountedEvidence,
} from "../../../../../control-plane/core/rollout/gate/evidence.ts";
import type { Wave } from "../../../../../control-plane/core/rollout/gate/measured.ts";
import type { RolloutRecord } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import { aRollout } from "../../../../support/fleet/a-rollout.ts";
import { aDeployment, aFleet, aNode, aVersion } from "../../../../support/fleet/fleet-builder.ts";
import { TestClock } from "../../../../support/test-clock.ts";

/** Of both versions so many requests, of which those of the new one fail. */
const asked = (count: number, failed = 0): CountedEvidence => ({
  ...NOTHING_COUNTED,
  old: { ...NO_REQUESTS, requests: count },
  new: { ...NO_REQUESTS, requests: count, errors: failed === 0 ? {} : { RUN_FAILED: failed } },
});

/** A gate of a leader, with what was counted of the first wave. */
function aGate() {
  const clock = new TestClock(0);
  const facts = { counted: asked(100_000) as CountedEvidence | undefined };
  const waves: number[] = [];
  const reports = {
    of: ({ wave }: Wave) => {
      waves.push(wave);
      return facts.counted;
    },
  };
  const verdicts = new GateVerdicts({ reports, samples: { whyNone: () => undefined }, clock });
  const says = (over: Partial<RolloutRecord> = {}) => {
    const spec = { name: "digits", model: "digits", version: 2, rollout: {} };
    const deployment = aDeployment(spec, { rollout: aRollout(over) });
    const versions = [aVersion("digits", 1), aVersion("digits", 2)];
    const fleet = aFleet({ nodes: [aNode("edge-a")], deployments: [deployment], versions });
    return verdicts.of(fleet, { deployment, phaseMs: 0 });
  };
  return { facts, waves, says };
}

const passed = [{ wave: 1, at: "2026-01-01T00:00:00.000Z", findings: [] }];

describe("the gate of a rollout whose first wave has passed", () => {
  it.each(["staging", "switching"] as const)(
    "goes on counting for that wave and finds what gets worse while the next one gets ready: %s",
    (phase) => {
      const { facts, waves, says } = aGate();
      expect(says()?.verdict).not.toBe("fail");
      expect(says({ phase, wave: 2, passed })?.verdict).not.toBe("fail");
      facts.counted = addCounted(asked(100_000), asked(400, 20));
      const found = says({ phase, wave: 2, passed });
      expect(found?.verdict).toBe("fail");
      expect(found?.findings[0]).toMatchObject({ check: "errors", result: "fail" });
      expect(found?.findings[0]?.sentence).toMatch(/^since it passed: 20 of 400 requests/);
      expect(new Set(waves)).toEqual(new Set([1]));
    },
  );

  it("counts for the last wave that baked where a wave had no nodes", () => {
    const { waves, says } = aGate();
    says({ phase: "staging", wave: 3, passed });
    expect(waves).toEqual([1]);
  });

  it("says nothing of a part of the counts, nor while a version answers nothing", () => {
    const { facts, says } = aGate();
    expect(says({ phase: "staging", wave: 1, share: 0 })).toBeUndefined();
    expect(says({ phase: "switching", wave: 1, share: 100 })).toBeUndefined();
    facts.counted = undefined;
    expect(says({ phase: "staging", wave: 2, passed })).toEqual({ verdict: "more", findings: [] });
  });
});
