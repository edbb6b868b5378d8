import { useSyncExternalStore } from "react";
import type { Deployment, Node } from "../api/types.ts";
import { restartEvents } from "./events.ts";
import { LiveList, type LiveSnapshot } from "./live-list.ts";
import { restartStreams } from "./use-stream.ts";

const nodes = new LiveList<Node>("/api/v1/nodes?watch=true");
const deployments = new LiveList<Deployment>("/api/v1/deployments?watch=true");

/** All nodes, live while something shows them. Their load and last sign are those of the newest change: see `useLoads`. */
export const useNodes = (): LiveSnapshot<Node> => useSyncExternalStore(nodes.subscribe, nodes.snapshot);

/** All deployments that the session may see, live while something shows them. */
export const useDeployments = (): LiveSnapshot<Deployment> =>
  useSyncExternalStore(deployments.subscribe, deployments.snapshot);

/** After a change of the session. */
export function restartLists(): void {
  nodes.restart();
  deployments.restart();
  restartEvents();
  restartStreams();
}
