import { rolloutSpec } from "../../../shared/api/v1/rollouts/rollout-spec.ts";
import type { RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import type { FleetRollout } from "../../../control-plane/core/fleet/types.ts";
import { wavesOf } from "../../../control-plane/core/rollout/waves.ts";

/** The first rollout of digits, from version 1 to 2, whose first wave bakes. */
export function aRollout(over: Partial<RolloutRecord> = {}): FleetRollout {
  const { strategy, bakeSeconds, gate, ...spec } = rolloutSpec.parse({ strategy: "canary" });
  const record: RolloutRecord = {
    model: "digits",
    from: 1,
    to: 2,
    declared: 2,
    strategy,
    waves: [...wavesOf({ strategy, bakeSeconds, gate, ...spec })],
    bakeSeconds,
    gate,
    freeze: [],
    approval: [],
    approvals: [],
    waitsFor: null,
    phase: "baking",
    resumes: null,
    wave: 1,
    share: 10,
    nodes: [],
    reason: "",
    by: "ana",
    findings: [],
    foundAt: null,
    passed: [],
    notes: [],
    current: true,
    ...over,
  };
  return { number: 1, revision: 1, record, phaseSince: 0, beganAt: 0, phaseAt: 0, endedAt: undefined };
}
