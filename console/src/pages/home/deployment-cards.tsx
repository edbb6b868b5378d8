import { Link } from "@tanstack/react-router";
import type { Deployment } from "../../api/types.ts";
import { toneOfCondition } from "../../core/fleet/tone.ts";
import { percentOf } from "../../core/text/units.ts";
import { useDeployments } from "../../live/lists.ts";
import { Meter, Status } from "../../ui/status.tsx";

const SHOWN = 12;

/** Each deployment with its replicas and what it says of itself. */
export function DeploymentCards() {
  const { rows } = useDeployments();
  return (
    <>
      <ul className="cards">
        {rows.slice(0, SHOWN).map(({ item }) => (
          <li key={item.name} className="card">
            <Card deployment={item} />
          </li>
        ))}
      </ul>
      {rows.length > SHOWN && (
        <p>
          <Link to="/deployments">All {rows.length} deployments</Link>
        </p>
      )}
    </>
  );
}

function Card({ deployment: { name, spec, status } }: { readonly deployment: Deployment }) {
  const wanted = status.edge.wanted + status.cloud.wanted;
  const ready = status.edge.ready + status.cloud.ready;
  const condition =
    status.conditions.find(({ type, status: is }) => type === "Stalled" && is === "True") ??
    status.conditions.find(({ type }) => type === "Ready");
  return (
    <>
      <h3>
        <Link to="/deployments/$deployment" params={{ deployment: name }}>
          {name}
        </Link>
      </h3>
      <p className="faint">
        {spec.model} · version {status.activeVersion ?? "–"}
        {status.targetVersion !== null && status.targetVersion !== status.activeVersion && ` → ${status.targetVersion}`}
      </p>
      <Meter
        value={percentOf(ready, wanted)}
        label={`${ready} of ${wanted} replicas ready`}
        tone={ready < wanted ? "busy" : "good"}
      />
      {condition && <Status tone={toneOfCondition(condition)}>{condition.message || condition.reason}</Status>}
    </>
  );
}
