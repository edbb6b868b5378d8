import { Link } from "@tanstack/react-router";
import { useMayOperate } from "../../app/session-context.ts";
import { useDeployments } from "../../live/lists.ts";
import { NothingDeployed } from "../../ui/nothing-yet.tsx";
import { PageHead } from "../../ui/page.tsx";
import { LiveState } from "../../ui/query-state.tsx";

/** Which deployment to explain. */
export function ExplainIndex() {
  const deployments = useDeployments();
  const mayOperate = useMayOperate();
  return (
    <>
      <PageHead
        title="Explain"
        sentence="Why the replicas of a deployment are where they are, why not elsewhere, and what would change it."
      />
      <LiveState list={deployments}>
        {({ rows }) =>
          rows.length === 0 ? (
            <NothingDeployed mayOperate={mayOperate} />
          ) : (
            <ul className="cards">
              {rows.map(({ item }) => (
                <li key={item.name} className="card">
                  <h3>
                    <Link to="/explain/$deployment" params={{ deployment: item.name }}>
                      {item.name}
                    </Link>
                  </h3>
                  <p className="faint">{item.spec.model}</p>
                </li>
              ))}
            </ul>
          )
        }
      </LiveState>
    </>
  );
}
