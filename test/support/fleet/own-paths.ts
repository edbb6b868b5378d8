import { RequestPaths } from "../../../control-plane/app/inference/request-paths.ts";
import type { SessionRegistry } from "../../../control-plane/app/node-sessions/node-session.ts";
import { TIMINGS } from "./fleet-builder.ts";

/** The ways to the nodes of a control plane that is alone. */
export const ownPaths = (registry: SessionRegistry): RequestPaths =>
  new RequestPaths({ registry, links: { to: () => undefined, all: () => [] }, timings: TIMINGS });
