import type { Fleet, FleetDeployment } from "../fleet/types.ts";
import type { Step } from "../reconcile/steps.ts";
import type { PlanContext } from "../scheduling/context.ts";
import { advance } from "./advance.ts";
import type { RolloutChange } from "./change.ts";
import type { Verdict } from "./judged.ts";
import { measuredRollout } from "./measured-rollout.ts";
import { declared } from "./start.ts";
import { viewOf } from "./view.ts";

export interface RolloutContext extends PlanContext {
  /** Now, RFC 3339. */
  readonly at: string;
  /** What the gate says of a rollout that is measured; undefined: no measure is asked for. */
  readonly verdictOf: (deployment: FleetDeployment, phaseMs: number) => Verdict | undefined;
}

/** What is to be written of the rollouts of the fleet: at most one step for each deployment. */
export function rolloutSteps(fleet: Fleet, context: RolloutContext): readonly Step<"rollout.write">[] {
  return [...fleet.deployments.values()].flatMap((deployment) => stepOf(fleet, deployment, context) ?? []);
}

function stepOf(fleet: Fleet, deployment: FleetDeployment, context: RolloutContext): Step<"rollout.write"> | undefined {
  const { name, generation, spec, rollout } = deployment;
  if (spec.rollout === undefined && rollout?.record.current !== true) return undefined;
  const found = declared(fleet, deployment, context.at);
  if (found.newest || found.next)
    return { kind: "rollout.write", deployment: name, generation, before: rollout, ...found };
  const newest = rollout && advanced(fleet, deployment, context);
  return newest && { kind: "rollout.write", deployment: name, generation, before: rollout, newest, next: undefined };
}

function advanced(fleet: Fleet, deployment: FleetDeployment, context: RolloutContext): RolloutChange | undefined {
  const { rollout } = deployment;
  if (!rollout?.record.current) return undefined;
  const { record, phaseSince } = rollout;
  const phaseMs = Math.max(0, context.now - phaseSince);
  const verdict = measuredRollout(deployment) && context.verdictOf(deployment, phaseMs);
  const leadingMs = context.leaderSince === undefined ? Infinity : context.now - context.leaderSince;
  const view = viewOf(fleet, deployment, { record, context });
  return advance(record, view, { phaseMs, leadingMs, verdict, at: context.at });
}

/** Whether a plan may be another after the step: a rollout begins, ends or enters another phase or wave. */
export const isTurn = ({ before, newest, next }: Step<"rollout.write">): boolean =>
  next !== undefined ||
  newest?.record.phase !== before?.record.phase ||
  newest?.record.wave !== before?.record.wave ||
  newest?.record.current !== before?.record.current;
