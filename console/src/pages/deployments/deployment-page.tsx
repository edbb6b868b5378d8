import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { Deployment } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { toneOfCondition } from "../../core/fleet/tone.ts";
import { percentOf } from "../../core/text/units.ts";
import { ConfirmButton } from "../../ui/dialog.tsx";
import { PageHead, Section } from "../../ui/page.tsx";
import { PlacementTable } from "../../ui/placement-table.tsx";
import { QueryState } from "../../ui/query-state.tsx";
import { Meter, Status } from "../../ui/status.tsx";
import { ChangeDialog } from "./deploy-dialog.tsx";
import { LiveDeployment } from "./live-deployment.tsx";
import { RolloutSection } from "./rollout-section.tsx";
import { Streams } from "./streams.tsx";
import { VariantChoice } from "./variant-choice.tsx";

/** One deployment: what it says of itself, where its replicas are, and how its versions came and went. */
export function DeploymentPage() {
  const { deployment: name } = useParams({ from: "/deployments/$deployment" });
  return (
    <LiveDeployment name={name} all="/deployments">
      {(deployment) => <OneDeployment deployment={deployment} />}
    </LiveDeployment>
  );
}

function OneDeployment({ deployment }: { readonly deployment: Deployment }) {
  const { name, spec, status } = deployment;
  const mayOperate = useMayOperate();
  return (
    <>
      <PageHead
        title={name}
        sentence={
          <>
            {spec.model}, declared version <code>{spec.version}</code>, answers with version{" "}
            {status.activeVersion ?? "none"}
            {deployment.managedBy && `, declared by ${deployment.managedBy}`}
          </>
        }
      >
        <Link className="button" to="/explain/$deployment" params={{ deployment: name }}>
          Explain
        </Link>
        <Link className="button" to="/topology" search={{ deployment: name }}>
          On the map
        </Link>
        {status.activeVersion !== null && (
          <Link className="button" to="/playground" search={{ model: spec.model }}>
            Try it
          </Link>
        )}
        {mayOperate && !deployment.managedBy && <Actions deployment={name} />}
      </PageHead>
      <div className="columns">
        <Section title="Conditions">
          <ul className="conditions">
            {status.conditions.map((condition) => (
              <li key={condition.type}>
                <Status tone={toneOfCondition(condition)}>
                  {condition.type}: {condition.status}
                </Status>
                <p>
                  <strong>{condition.reason}</strong> {condition.message}
                </p>
              </li>
            ))}
            {status.conditions.length === 0 && <li className="faint">The control plane has not planned for it yet.</li>}
          </ul>
          {status.unplaced.map((sentence) => (
            <p key={sentence} className="note warn">
              {sentence}
            </p>
          ))}
        </Section>
        <Section title="Replicas">
          {(["edge", "cloud"] as const).map((kind) => (
            <div key={kind} className="replicas">
              <span>{kind}</span>
              <Meter
                value={percentOf(status[kind].ready, status[kind].wanted)}
                label={`${status[kind].ready} ready, ${status[kind].placed} placed, ${status[kind].wanted} wanted`}
                tone={status[kind].ready < status[kind].wanted ? "busy" : "good"}
              />
            </div>
          ))}
          <p>
            Requests go to <code>{status.url}</code>
          </p>
        </Section>
      </div>
      <Section title="Where it runs">
        <VariantChoice deployment={deployment} />
        <Placements deployment={deployment} />
      </Section>
      <Streams deployment={deployment} />
      <Section title="Rollout">
        <RolloutSection deployment={deployment} />
      </Section>
      <Section title="Spec">
        <pre tabIndex={0} aria-label="Spec of the deployment">
          {JSON.stringify(spec, null, 2)}
        </pre>
      </Section>
      <p>
        <Link to="/events" search={{ object: `deployment/${name}` }}>
          Events of this deployment
        </Link>
      </p>
    </>
  );
}

function Actions({ deployment }: { readonly deployment: string }) {
  const [isChanging, setChanging] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setChanging(true)}>
        Change
      </button>
      {isChanging && <ChangeDialog deployment={deployment} onClose={() => setChanging(false)} />}
      <Retry deployment={deployment} />
      <Delete deployment={deployment} />
    </>
  );
}

function Delete({ deployment }: { readonly deployment: string }) {
  const navigate = useNavigate();
  return (
    <ConfirmButton
      label="Delete"
      title={`Delete ${deployment}?`}
      confirm="Delete"
      isDanger
      run={async () => {
        await api.DELETE("/api/v1/deployments/{deployment}", { params: { path: { deployment } } });
        await navigate({ to: "/deployments" });
      }}
    >
      <p>Its replicas leave their nodes, and requests for it are refused. The model and its versions stay.</p>
    </ConfirmButton>
  );
}

const Retry = ({ deployment }: { readonly deployment: string }) => (
  <ConfirmButton
    label="Retry failed"
    title={`Try failed replicas of ${deployment} again?`}
    confirm="Retry"
    run={() => api.POST("/api/v1/deployments/{deployment}/retry", { params: { path: { deployment } } })}
  >
    <p>Replicas that failed wait longer with each attempt. This begins a new attempt at once.</p>
  </ConfirmButton>
);

/** While replicas are on their way their progress differs each second, and no watch reports it. */
const MOVING_MS = 1_000;
const SETTLED_MS = 15_000;

function Placements({ deployment: { name, status, generation } }: { readonly deployment: Deployment }) {
  const counts = JSON.stringify([status.edge, status.cloud, status.conditions, generation]);
  const query = useQuery({
    queryKey: ["placements", name, counts],
    queryFn: () =>
      bodyOf(
        api.GET("/api/v1/deployments/{deployment}/placements", {
          params: { path: { deployment: name }, query: { limit: 500 } },
        }),
      ).then((body) => ({ ...body, at: Date.now() })),
    placeholderData: (before) => before,
    refetchInterval: ({ state }) =>
      state.data?.items.some((each) => each.state !== "ready" && each.state !== "failed") ? MOVING_MS : SETTLED_MS,
  });
  return (
    <QueryState query={query}>
      {({ items, at }) => (
        <PlacementTable items={items} at={at} of={{ title: "Version", cell: ({ version }) => version }} />
      )}
    </QueryState>
  );
}
