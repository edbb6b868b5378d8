import type { ArtifactDisk } from "../../ports/disk.ts";
import type { LocalPlacement } from "../../core/placements/local-placement.ts";
import type { NodeIdentity } from "../../ports/identity.ts";
import type { ModelHost } from "../../ports/model-hosts.ts";
import type { LocalNode, LocalPlacementView } from "../../ports/serving.ts";
import type { Agent } from "../agent.ts";
import type { RequestExecutor } from "../inference/request-executor.ts";

/** The node as its own API shows it: identity, placements and figures in one place, read at each request. */
export function localNode(
  { name, kind, publicKey }: Pick<NodeIdentity, "name" | "kind" | "publicKey">,
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
    isRemoved: () => agent.isRemoved,
    keyToApprove: () => (agent.isWaiting ? publicKey : undefined),
    isDraining: () => agent.isStopping,
    placements: () => agent.placements().map((each) => localPlacement(each, agent.stateAgeMs(each.spec.placementId))),
    declaredSignature: (artifact) =>
      // A missing or damaged manifest is repaired by a transfer; here the signature is then unknown.
      disk.manifest(artifact).catch(() => undefined),
    status: () => agent.status(),
    load: () => serving.load(),
    keptStreams: () => serving.streamFigures(),
    infer: (request) => serving.infer(request),
  };
}

function localPlacement(placement: LocalPlacement<ModelHost>, stateAgeMs: number): LocalPlacementView {
  const { spec, announcedState: state, host } = placement;
  const { placementId, deployment, model, version, artifact, want, limits } = spec;
  const { code, detail, done, total } = placement.report();
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
    ...(spec.variant !== undefined && { variant: spec.variant }),
    isStandby: spec.standby === true,
    streams: spec.streams ?? [],
    asks: host && (host.asks ?? "tensors"),
    artifact,
    host: host?.sharedHost,
    detail: code === undefined ? detail : [code, detail].filter((word) => word !== undefined).join(": "),
    stateAgeMs,
    progress: done === undefined || total === undefined ? undefined : { done, total },
    signature: host && { inputs: host.inputs, outputs: host.outputs },
  };
}
