import type { Deployment } from "../../../../shared/api/v1/deployments/deployments.ts";
import type { Placement } from "../../../../shared/api/v1/deployments/placements.ts";
import { deploymentSpec } from "../../../../shared/api/v1/deployments/deployment-spec.ts";
import type { ModelVersion } from "../../../../shared/api/v1/models.ts";
import type { Node } from "../../../../shared/api/v1/nodes/nodes.ts";

const createdAt = new Date(0).toISOString();

export function nodeNamed(name: string, change: Partial<Node> = {}): Node {
  return {
    name,
    id: `n-${name}`,
    kind: "edge",
    site: "harbour",
    zone: "harbour",
    labels: {},
    state: "ready",
    cordoned: false,
    draining: false,
    drain: null,
    quarantine: null,
    lastSeen: createdAt,
    lastSeenAgeMs: 2000,
    epoch: 1,
    agentVersion: "0.1.0",
    capabilities: null,
    load: null,
    placements: [],
    approval: null,
    createdAt,
    ...change,
  };
}

export function versionOf(model: string, change: Partial<ModelVersion> = {}): ModelVersion {
  return {
    model,
    version: 1,
    state: "ready",
    reason: null,
    damage: null,
    digest: `sha256:${"0".repeat(64)}`,
    artifact: null,
    bytes: 3,
    format: "onnx",
    runtime: "onnx",
    main: "model.onnx",
    files: [{ path: "model.onnx", bytes: 3, sha256: "0".repeat(64) }],
    opset: 17,
    irVersion: 8,
    producer: null,
    inputs: [{ name: "image", datatype: "FP32", shape: [-1, 2] }],
    outputs: [],
    rows: null,
    notes: [],
    text: null,
    encoder: null,
    engine: null,
    pipeline: null,
    variants: [],
    labels: {},
    metrics: {},
    createdAt,
    ...change,
  };
}

export function deploymentNamed(name: string, ready: boolean, change: { unplaced?: string[] } = {}): Deployment {
  const counts = { wanted: 1, placed: 1, ready: ready ? 1 : 0 };
  return {
    name,
    spec: deploymentSpec.parse({ name, model: "digits", version: 1 }),
    generation: 1,
    createdAt,
    status: {
      observedGeneration: 1,
      conditions: [
        {
          type: "Ready",
          status: ready ? "True" : "False",
          reason: ready ? "AllReady" : "Waiting",
          message: ready ? "all" : "1 replica is loading",
        },
      ],
      activeVersion: ready ? 1 : null,
      targetVersion: 1,
      edge: counts,
      cloud: { wanted: 0, placed: 0, ready: 0 },
      url: "http://127.0.0.1/v2/models/digits/infer",
      unplaced: [],
      changedAgeMs: 1000,
      recordedAgeMs: 1000,
      ...change,
    },
  };
}

export function placementOn(node: string, state: Placement["state"]): Placement {
  return {
    id: `p-${node}`,
    deployment: "digits",
    model: "digits",
    version: 1,
    node,
    nodeState: "ready",
    kind: "edge",
    generation: 1,
    wanted: "serve",
    state,
    failure: null,
    progress: state === "downloading" ? { done: 43, total: 100 } : null,
    stateAgeMs: 1000,
    sharing: state === "ready" ? { isShared: true, reason: "the graph proves that rows are independent" } : null,
    limitMiB: state === "ready" ? 320 : null,
    host: null,
    variant: null,
    why: "it is near",
  };
}

export const listOf = (...items: readonly unknown[]): object => ({ items, nextCursor: null });
