import type { Condition, DeploymentFindings } from "../../../shared/api/v1/deployments/deployments.ts";
import { nodeKind, type NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import { isEqual } from "../fleet/changes/equal.ts";
import type { Fleet, FleetDeployment } from "../fleet/types.ts";
import { followsDemand } from "../scaling/replica-targets.ts";
import type { Findings } from "./deployment-status.ts";
import type { StatusEvent, Step } from "./steps.ts";

/** What is said of a number of replicas that follows demand. */
interface ScalingReasons {
  readonly reasonFor: (deployment: string) => string;
  readonly isThrashing: (deployment: string, kind: NodeKind) => boolean;
}

/**
 * A step for each deployment whose status is not the recorded one: a fleet in which nothing changes writes nothing. No
 * status holds an age or a measured figure, because those differ from one second to the next. `scaling`: the measured demand
 * of a deployment and what it asks for, as a sentence, and whether its replicas of a kind went and came back too soon.
 */
export function statusSteps(fleet: Fleet, found: Findings, scaling?: ScalingReasons): readonly Step<"status.write">[] {
  const steps: Step<"status.write">[] = [];
  for (const deployment of fleet.deployments.values()) {
    const { name, generation, status } = deployment;
    const findings = found.get(name);
    const isRecorded = status?.observedGeneration === generation && isEqual(status.findings, findings);
    if (!findings || isRecorded) continue;
    const events = [
      ...stalledEvent(name, status?.findings, findings),
      ...(status?.observedGeneration === generation
        ? scaledEvents(deployment, status.findings, { findings, scaling })
        : []),
    ];
    steps.push({ kind: "status.write", deployment: name, generation, findings, events });
  }
  return steps;
}

/** What is in the way is an event once, when it comes or changes, and so is its end. */
function stalledEvent(
  name: string,
  before: DeploymentFindings | undefined,
  after: DeploymentFindings,
): readonly StatusEvent[] {
  const stalledIn = (findings: DeploymentFindings | undefined): Condition | undefined =>
    findings?.conditions.find(({ type, status }) => type === "Stalled" && status === "True");
  const [was, is] = [stalledIn(before), stalledIn(after)];
  if (was?.message === is?.message) return [];
  if (is) return [{ type: "Warning", reason: "DeploymentStalled", message: `${name} cannot go on: ${is.message}` }];
  return [{ type: "Normal", reason: "DeploymentRecovered", message: `nothing is in the way of ${name} any more` }];
}

/** Demand changed how many replicas are wanted. A changed spec is its own reason and no event of this kind. */
function scaledEvents(
  { name, spec }: FleetDeployment,
  before: DeploymentFindings,
  { findings, scaling }: { readonly findings: DeploymentFindings; readonly scaling: ScalingReasons | undefined },
): readonly StatusEvent[] {
  return nodeKind.options.flatMap((kind): readonly StatusEvent[] => {
    const [from, to] = [before[kind].wanted, findings[kind].wanted];
    if (from === to || scaling === undefined || spec.paused === true || !followsDemand(spec.placement, kind)) return [];
    const most = to > from && to === spec.placement[kind].max ? ", its maximum" : "";
    const message = `${kind} replicas ${from} → ${to}${most}: ${scaling.reasonFor(name)}`;
    if (to > from && scaling.isThrashing(name, kind)) {
      const held = "their number fell less than 10 minutes ago, and now stays for 30 minutes";
      return [{ type: "Warning", reason: "Thrashing", message: `${message}; ${held}` }];
    }
    return [{ type: "Normal", reason: to > from ? "ScaledUp" : "ScaledDown", message }];
  });
}
