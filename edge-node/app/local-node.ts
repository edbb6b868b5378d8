import type { LocalNode, LocalPlacement, NodeIdentity } from "../ports.ts";
import type { Agent } from "./agent.ts";
import type { Held } from "./placements.ts";
import type { Serving } from "./serving.ts";

/** The node as its own API shows it: identity, placements and figures in one place, read when somebody asks. */
export function localNode(
  { name, kind }: Pick<NodeIdentity, "name" | "kind">,
  { agent, serving, version }: { readonly agent: Agent; readonly serving: Serving; readonly version: string },
): LocalNode {
  return {
    name,
    kind,
    version,
    isConnected: () => agent.isConnected,
    isStarted: () => agent.isStarted,
    isDraining: () => agent.isStopping,
    placements: () => agent.held().map(localPlacement),
    load: () => serving.load(),
    infer: (request) => serving.infer(request),
  };
}

function localPlacement({ spec, state, machine, process }: Held): LocalPlacement {
  const { placementId, deployment, model, version, want, limits } = spec;
  return {
    placementId,
    deployment,
    model,
    version,
    want,
    state,
    timeoutMs: limits.timeoutMs,
    isEdgeOnly: spec.residency === "edge-only",
    detail: machine.report().detail,
    inputs: process?.inputs ?? [],
    outputs: process?.outputs ?? [],
  };
}
