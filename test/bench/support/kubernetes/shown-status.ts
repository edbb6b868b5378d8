import { deploymentSpec } from "../../../../shared/api/v1/deployments/deployment-spec.ts";
import { toInstant } from "../../../../shared/api/v1/common.ts";
import type { ModelDeploymentStatus } from "../../../../shared/api/v1alpha1/model-deployment.ts";
import type { Resource } from "../../../../shared/api/v1alpha1/resource.ts";
import { acceptedStatus } from "../../../../control-plane/core/kubernetes/model-deployment.ts";

const spec = deploymentSpec.parse({ name: "digits", model: "digits", version: 1 });

/** What a controller writes of an object whose deployment is placed: the same for both clients that are compared. */
export function shownStatus(object: Resource): ModelDeploymentStatus {
  const now = toInstant(Date.now());
  const replicas = { wanted: 1, placed: 1, ready: 1 };
  const message = "1 of 1 replica ready";
  return acceptedStatus(object, {
    deployment: {
      name: object.metadata.name,
      spec: { ...spec, name: object.metadata.name },
      generation: 1,
      createdAt: now,
      status: {
        conditions: [{ type: "Ready", status: "True", reason: "AllReplicasReady", message }],
        activeVersion: 1,
        targetVersion: 1,
        edge: replicas,
        cloud: { wanted: 0, placed: 0, ready: 0 },
        unplaced: [],
        observedGeneration: 1,
        recordedAgeMs: null,
        changedAgeMs: null,
        url: "http://skerry.test/v2/models/digits/infer",
      },
    },
    placements: [],
    now,
  });
}
