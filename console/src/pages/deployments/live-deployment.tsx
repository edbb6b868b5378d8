import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Deployment } from "../../api/types.ts";
import { useDeployments } from "../../live/lists.ts";
import { LiveState } from "../../ui/query-state.tsx";
import { Empty } from "../../ui/states.tsx";

/** The deployment of that name as it is now, or that there is none. `all`: where the others are. */
export function LiveDeployment({
  name,
  all,
  children,
}: {
  readonly name: string;
  readonly all: "/deployments" | "/explain";
  readonly children: (deployment: Deployment) => ReactNode;
}) {
  return (
    <LiveState list={useDeployments()}>
      {({ byName }) => {
        const deployment = byName.get(name)?.item;
        return deployment === undefined ? (
          <Empty title={`There is no deployment ${name}`}>
            <Link to={all}>All deployments</Link>
          </Empty>
        ) : (
          children(deployment)
        );
      }}
    </LiveState>
  );
}
