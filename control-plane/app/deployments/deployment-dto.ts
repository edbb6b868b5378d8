import { toInstant } from "../../../shared/api/v1/common.ts";
import type { Deployment, DeploymentFindings } from "../../../shared/api/v1/deployments/deployments.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { isServing, isWanted, placementsOfDeployment } from "../../core/fleet/queries.ts";
import type { Fleet, FleetDeployment } from "../../core/fleet/types.ts";
import { age, type ViewTime } from "../nodes/node-dto.ts";

/** A deployment as the API shows it: what was declared, and what the leader recorded of it last. Plans nothing. */
export function toDeploymentDto(
  fleet: Fleet,
  deployment: FleetDeployment,
  context: ViewTime & {
    /** Where applications reach this control plane, without a slash at the end. */
    readonly publicUrl: string;
    readonly timings: NodeTimings;
  },
): Deployment {
  const { now, wallNow, publicUrl } = context;
  const { name, spec, generation, createdAt, status } = deployment;
  const changes = placementsOfDeployment(fleet, name).filter(isWanted);
  const newest = Math.max(...changes.map(({ stateSince }) => stateSince));
  const current = changes.filter(({ version }) => version === status?.findings.targetVersion);
  const serving = current.filter((placement) => isServing(fleet, placement, context)).length;
  return {
    name,
    spec,
    generation,
    createdAt: toInstant(createdAt),
    ...(deployment.kubernetesNamespace !== undefined && { managedBy: "kubernetes" }),
    status: {
      observedGeneration: status?.observedGeneration ?? 0,
      recordedAgeMs: status === undefined ? null : age(wallNow, status.at),
      ...(status === undefined ? NOTHING_FOUND : unlessOutdated(status.findings, serving)),
      url: `${publicUrl}/v2/models/${spec.model}/infer`,
      changedAgeMs: changes.length === 0 ? null : age(now, newest),
    },
  };
}

/**
 * A recorded `Ready` counts only while the nodes bear it out: after a restart of everything the record is older than
 * the sessions, and until there is a leader nobody corrects it.
 */
function unlessOutdated(findings: DeploymentFindings, serving: number): DeploymentFindings {
  const { conditions, edge, cloud } = findings;
  const wanted = Math.min(edge.ready, edge.wanted) + Math.min(cloud.ready, cloud.wanted);
  if (serving >= wanted) return findings;
  const message = `recorded with ${wanted} ready; now ${serving} ready, and the leader has not planned since`;
  return {
    ...findings,
    conditions: conditions.map((condition) =>
      condition.type === "Ready" && condition.status === "True"
        ? { type: "Ready", status: "Unknown", reason: "StatusOutdated", message }
        : condition,
    ),
  };
}

/** Before a leader has planned for it for the first time. */
const NOTHING_FOUND: DeploymentFindings = {
  conditions: (["Ready", "Progressing", "Stalled"] as const).map((type) => ({
    type,
    status: "Unknown",
    reason: "NotObserved",
    message: "the control plane has not planned for it yet",
  })),
  activeVersion: null,
  targetVersion: null,
  edge: { wanted: 0, placed: 0, ready: 0 },
  cloud: { wanted: 0, placed: 0, ready: 0 },
  unplaced: [],
};

/** What a selector over deployments may name. */
export const deploymentLabels = ({ spec }: Pick<Deployment, "spec">): Readonly<Record<string, string>> => ({
  name: spec.name,
  model: spec.model,
  version: String(spec.version),
  residency: spec.placement.residency,
});
