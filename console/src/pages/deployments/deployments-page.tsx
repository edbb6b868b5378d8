import { useState } from "react";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { Deployment } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { matchesWords } from "../../core/text/text-filter.ts";
import { toneOfCondition } from "../../core/fleet/tone.ts";
import { countOf, percentOf } from "../../core/text/units.ts";
import { useDeployments } from "../../live/lists.ts";
import { NothingDeployed } from "../../ui/nothing-yet.tsx";
import { PageHead } from "../../ui/page.tsx";
import { LiveState } from "../../ui/query-state.tsx";
import { Search } from "../../ui/search.tsx";
import { Empty } from "../../ui/states.tsx";
import { Meter, Status } from "../../ui/status.tsx";
import { DeployDialog } from "./deploy-dialog.tsx";

/** All deployments: what each declares and how much of it is there. */
export function DeploymentsPage() {
  const deployments = useDeployments();
  const { q = "" } = useSearch({ from: "/deployments" });
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  const [isDeploying, setDeploying] = useState(false);
  return (
    <>
      <PageHead
        title="Deployments"
        sentence={deployments.isWhole ? countOf(deployments.rows.length, "deployment") : undefined}
      >
        <Search
          label="Search deployments"
          value={q}
          onChange={(value) =>
            void navigate({ to: "/deployments", search: value === "" ? {} : { q: value }, replace: true })
          }
        />
        {mayOperate && (
          <button type="button" onClick={() => setDeploying(true)}>
            Deploy a model
          </button>
        )}
      </PageHead>
      {isDeploying && <DeployDialog onClose={() => setDeploying(false)} />}
      <LiveState list={deployments}>
        {({ rows }) => <DeploymentTable deployments={rows.map(({ item }) => item)} filter={q} />}
      </LiveState>
    </>
  );
}

function DeploymentTable({
  deployments,
  filter,
}: {
  readonly deployments: readonly Deployment[];
  readonly filter: string;
}) {
  const mayOperate = useMayOperate();
  const shown = deployments.filter(({ name, spec, status }) =>
    matchesWords(filter, [name, spec.model, ...status.conditions.flatMap(({ reason, message }) => [reason, message])]),
  );
  if (deployments.length === 0) return <NothingDeployed mayOperate={mayOperate} />;
  if (shown.length === 0) return <Empty title={`No deployment matches “${filter}”`} />;
  return (
    <div className="table">
      <table>
        <thead>
          <tr>
            <th scope="col">Deployment</th>
            <th scope="col">Version</th>
            <th scope="col">Replicas</th>
            <th scope="col">Conditions</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((deployment) => (
            <DeploymentRow key={deployment.name} deployment={deployment} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function DeploymentRow({ deployment: { name, spec, status } }: { readonly deployment: Deployment }) {
  const wanted = status.edge.wanted + status.cloud.wanted;
  const ready = status.edge.ready + status.cloud.ready;
  return (
    <tr>
      <th scope="row">
        <Link to="/deployments/$deployment" params={{ deployment: name }}>
          {name}
        </Link>
      </th>
      <td>
        {spec.model}:{status.activeVersion ?? "–"}
        {status.targetVersion !== null && status.targetVersion !== status.activeVersion && ` → ${status.targetVersion}`}
      </td>
      <td className="meter-cell">
        <Meter
          value={percentOf(ready, wanted)}
          label={`${ready} of ${wanted} ready`}
          tone={ready < wanted ? "busy" : "good"}
        />
      </td>
      <td>
        <span className="chips">
          {status.conditions.map((condition) => (
            <span key={condition.type} title={condition.message}>
              <Status tone={toneOfCondition(condition)}>{condition.reason}</Status>
            </span>
          ))}
        </span>
      </td>
    </tr>
  );
}
