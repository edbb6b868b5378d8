import { Link } from "@tanstack/react-router";
import { useIsAdmin } from "../../app/session-context.ts";
import { healthOf, type Need } from "../../core/fleet/health.ts";
import { showsQuickstart } from "../../core/fleet/quickstart.ts";
import { useDeployments, useNodes } from "../../live/lists.ts";
import { Section } from "../../ui/page.tsx";
import { LiveState } from "../../ui/query-state.tsx";
import { Status } from "../../ui/status.tsx";
import { FirstSteps, Quickstart } from "./quickstart.tsx";
import { useQuickstartMark } from "./quickstart-mark.ts";
import { RecentEvents } from "./recent-events.tsx";
import { DeploymentCards } from "./deployment-cards.tsx";

/** The fleet in one sentence, and what needs somebody. Until the first model answers: how to get there. */
export function HomePage() {
  const nodes = useNodes();
  const deployments = useDeployments();
  return (
    <LiveState list={nodes}>
      {() => (
        <LiveState list={deployments}>
          {() => (
            <Overview
              nodes={nodes.rows.map(({ item }) => item)}
              deployments={deployments.rows.map(({ item }) => item)}
            />
          )}
        </LiveState>
      )}
    </LiveState>
  );
}

type Lists = Parameters<typeof healthOf>;

function Overview({ nodes, deployments }: { readonly nodes: Lists[0]; readonly deployments: Lists[1] }) {
  const isAdmin = useIsAdmin();
  const { tone, sentence, needs } = healthOf(nodes, deployments);
  const [mark, finish] = useQuickstartMark(deployments.length === 0);
  if (deployments.length === 0) return <Quickstart />;
  return (
    <>
      <h1 className={`health ${tone}`}>
        <Status tone={tone}>{sentence}</Status>
      </h1>
      {needs.length > 0 && (
        <Section title="What needs you">
          <ul className="needs">
            {needs.slice(0, 20).map((need) => (
              <NeedRow key={`${need.what} ${need.name} ${need.sentence}`} need={need} />
            ))}
          </ul>
          {needs.length > 20 && (
            <p className="faint">and {needs.length - 20} more on the pages of nodes and deployments</p>
          )}
        </Section>
      )}
      {showsQuickstart(deployments.length, mark) && <FirstSteps onDone={finish} />}
      <Section title="Deployments">
        <DeploymentCards />
      </Section>
      <Section title="What happened last">
        <RecentEvents />
      </Section>
      {!isAdmin && <p className="faint">Keys and the audit log are for admins.</p>}
    </>
  );
}

const NeedRow = ({ need }: { readonly need: Need }) => (
  <li>
    <Status tone={need.tone}>
      {need.what === "node" ? (
        <Link to="/nodes/$node" params={{ node: need.name }}>
          {need.name}
        </Link>
      ) : (
        <Link to="/deployments/$deployment" params={{ deployment: need.name }}>
          {need.name}
        </Link>
      )}
    </Status>
    <span>{need.sentence}</span>
  </li>
);
