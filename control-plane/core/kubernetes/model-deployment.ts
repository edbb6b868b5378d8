import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { Placement } from "../../../shared/api/v1/deployments/placements.ts";
import {
  MAX_LISTED_PLACEMENTS,
  modelDeploymentSpec,
  modelDeploymentStatus,
  type ModelDeploymentStatus,
} from "../../../shared/api/v1alpha1/model-deployment.ts";
import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import { ownConditions, refusal, toConditions, type Finding, type Refusal } from "./conditions.ts";

/** The conditions that Skerry writes. */
const TYPES = ["Accepted", "Ready", "Progressing", "Stalled"] as const;
const MAX_TEXT = 1_024;

/** What was declared, by the API's schema; or what is wrong with it. The server's own rules let nothing else through. */
export function specOf({ metadata, spec }: Resource): DeploymentSpec | Refusal {
  const fields = typeof spec === "object" ? spec : {};
  const parsed = modelDeploymentSpec.safeParse({ ...fields, name: metadata.name });
  return parsed.success ? parsed.data : refusal("InvalidSpec", parsed.error.issues);
}

/** What the object's status says now; only what is Skerry's of it. */
export function statusIn({ status }: Resource): ModelDeploymentStatus {
  const parsed = modelDeploymentStatus.safeParse(status ?? {});
  const known = parsed.success ? parsed.data : { conditions: [] };
  return { ...known, conditions: ownConditions(known.conditions, TYPES) };
}

/** The status of an object that is carried out: what the leader found, and where it runs. */
export function acceptedStatus(
  object: Resource,
  { deployment, placements, now }: { deployment: Deployment; placements: readonly Placement[]; now: string },
): ModelDeploymentStatus {
  const { conditions, activeVersion, targetVersion, edge, cloud, unplaced, url } = deployment.status;
  const accepted: Finding = {
    type: "Accepted",
    status: "True",
    reason: "Declared",
    message: `declared as the deployment ${deployment.name}`,
  };
  const { generation } = object.metadata;
  return {
    observedGeneration: generation,
    conditions: toConditions([accepted, ...conditions.map(cut)], {
      before: statusIn(object).conditions,
      generation,
      now,
    }),
    ...(activeVersion !== null && { activeVersion }),
    ...(targetVersion !== null && { targetVersion }),
    edge: { ...edge },
    cloud: { ...cloud },
    unplaced: unplaced.slice(0, 64).map((sentence) => sentence.slice(0, MAX_TEXT)),
    placements: placements
      .filter(({ wanted }) => wanted === "serve")
      .toSorted((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : b.version - a.version))
      .slice(0, MAX_LISTED_PLACEMENTS)
      .map(({ node, kind, version, state, failure }) => ({
        node,
        kind,
        version,
        state,
        ...(failure && { reason: `${failure.code}: ${failure.detail}`.slice(0, MAX_TEXT) }),
      })),
    url,
  };
}

/** The status of an object that is not carried out. What runs of an earlier generation goes on, and stays in sight. */
export function refusedStatus(object: Resource, { reason, message }: Refusal, now: string): ModelDeploymentStatus {
  const { generation } = object.metadata;
  const before = statusIn(object);
  const findings: readonly Finding[] = [
    { type: "Accepted", status: "False", reason, message },
    { type: "Ready", status: "False", reason, message },
  ].map((finding) => cut({ ...finding, status: "False" }));
  return {
    ...before,
    observedGeneration: generation,
    conditions: [
      ...before.conditions.filter(({ type }) => type === "Progressing" || type === "Stalled"),
      ...toConditions(findings, { before: before.conditions, generation, now }),
    ].toSorted((a, b) => (a.type < b.type ? -1 : 1)),
  };
}

const cut = (finding: Finding): Finding => ({ ...finding, message: finding.message.slice(0, 4_096) });
