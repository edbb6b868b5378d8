import type { ArtifactDisk } from "../../ports/disk.ts";
import type { NodeIdentity } from "../../ports/identity.ts";
import type { LocalNode, LocalPlacement } from "../../ports/serving.ts";
import type { Agent } from "../agent.ts";
import type { Held } from "./placements.ts";
import type { RequestExecutor } from "../inference/request-executor.ts";

/** The node as its own API shows it: identity, placements and figures in one place, read when somebody asks. */
export function localNode(
  { name, kind }: Pick<NodeIdentity, "name" | "kind">,
  {
    agent,
    disk,
    serving,
    version,
  }: {
    readonly agent: Agent;
    readonly disk: Pick<ArtifactDisk, "manifest">;
    readonly serving: RequestExecutor;
    readonly version: string;
  },
): LocalNode {
  return {
    name,
    kind,
    version,
    isConnected: () => agent.isConnected,
    isDraining: () => agent.isStopping,
    placements: () => agent.held().map(localPlacement),
    declaredSignature: (artifact) =>
      // A manifest that is missing or damaged is the transfer's business; here it only says nothing.
      disk.manifest(artifact).catch(() => undefined),
    load: () => serving.load(),
    infer: (request) => serving.infer(request),
  };
}

function localPlacement({ spec, state, machine, process }: Held): LocalPlacement {
  const { placementId, deployment, model, version, artifact, want, limits } = spec;
  const { code, detail } = machine.report();
  return {
    placementId,
    deployment,
    model,
    version,
    aliases: spec.aliases ?? [],
    want,
    state,
    timeoutMs: limits.timeoutMs,
    isEdgeOnly: spec.residency === "edge-only",
    artifact,
    detail: code === undefined ? detail : [code, detail].filter((word) => word !== undefined).join(": "),
    signature: process && { inputs: process.inputs, outputs: process.outputs },
  };
}
