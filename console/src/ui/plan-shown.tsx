import type { Plan } from "../api/types.ts";
import { countOf } from "../core/text/units.ts";
import { Status } from "./status.tsx";

/** What the planner says would happen: of one deployment where it would be ready, and each step of the fleet. */
export function PlanShown({
  plan: { steps, deployments, settled },
  deployment,
}: {
  readonly plan: Plan;
  readonly deployment: string;
}) {
  const own = deployments.find((each) => each.deployment === deployment);
  return (
    <>
      <p>
        <Status tone={own && own.unplaced.length > 0 ? "warn" : "good"}>
          {steps.length === 0 ? "Nothing would move." : `${countOf(steps.length, "step")} would follow.`}
        </Status>
        {own && ` ${deployment} would be ready on ${own.nodes.length === 0 ? "no node" : own.nodes.join(", ")}.`}
        {!settled && " The plan ends at its bound, with more to do."}
      </p>
      {own?.unplaced.map((sentence) => (
        <p key={sentence} className="note warn">
          {sentence}
        </p>
      ))}
      {steps.length > 0 && (
        <ol className="timeline">
          {steps.slice(0, 50).map(({ round, action, deployment: of, model, version, node, why }) => (
            <li key={`${round} ${action} ${of} ${node} ${version}`}>
              <strong>{action}</strong> {model}:{version} {action === "remove" ? "from" : "on"} {node}. {why}
            </li>
          ))}
        </ol>
      )}
      {steps.length > 50 && <p className="faint">and {steps.length - 50} more steps</p>}
    </>
  );
}
