import type { Node } from "../../../shared/api/v1/nodes/nodes.ts";
import {
  edgeNodeSpec,
  edgeNodeStatus,
  type EdgeNodeSpec,
  type EdgeNodeStatus,
} from "../../../shared/api/v1alpha1/edge-node.ts";
import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import { isEqual } from "../fleet/changes/equal.ts";
import { ownConditions, refusal, toConditions, type Finding, type Refusal } from "./conditions.ts";

/** The conditions that Skerry writes. */
const TYPES = ["Accepted", "Ready"] as const;

/** What was declared; or what is wrong with it. The server's own rules let nothing else through. */
export function edgeNodeSpecOf({ spec }: Resource): EdgeNodeSpec | Refusal {
  const parsed = edgeNodeSpec.safeParse(spec ?? {});
  return parsed.success ? parsed.data : refusal("InvalidSpec", parsed.error.issues);
}

/** What the object's status says now; only what is Skerry's of it. */
export function edgeNodeStatusIn({ status }: Resource): EdgeNodeStatus {
  const parsed = edgeNodeStatus.safeParse(status ?? {});
  const known = parsed.success ? parsed.data : { conditions: [] };
  return { ...known, conditions: ownConditions(known.conditions, TYPES) };
}

/** Whether the node is as the spec says, and belongs to whom the spec says: with an empty spec to the API. */
export function isAsDeclared(
  { cordoned, draining, labels, site, zone }: EdgeNodeSpec,
  node: Pick<Node, "cordoned" | "draining" | "labels" | "site" | "zone" | "managedBy">,
): boolean {
  const isDeclared = [cordoned, draining, labels, site, zone].some((field) => field !== undefined);
  if (isDeclared !== (node.managedBy !== undefined)) return false;
  if (cordoned !== undefined && cordoned !== node.cordoned) return false;
  if (draining !== undefined && draining !== node.draining) return false;
  if (site !== undefined && site !== node.site) return false;
  if (zone !== undefined && zone !== node.zone) return false;
  return labels === undefined || isEqual(labels, node.labels);
}

/** The status of an object whose node has joined. `refused`: why the spec is not carried out, if it is not. */
export function joinedStatus(
  object: Resource,
  { node, refused, now }: { readonly node: Node; readonly refused: Refusal | undefined; readonly now: string },
): EdgeNodeStatus {
  const { state, site, zone, cordoned, draining, agentVersion, placements } = node;
  return {
    ...common(object, [acceptedOr(refused), readiness(node)], now),
    state,
    site,
    zone,
    cordoned,
    draining,
    ...(agentVersion !== null && { agentVersion }),
    models: placements
      .map(({ model, version, deployment, state: is }) => ({ model, version, deployment, state: is }))
      .toSorted((a, b) => (a.model < b.model ? -1 : a.model > b.model ? 1 : b.version - a.version))
      .slice(0, 256),
  };
}

/** The status of an object that names no node: one that is still to join, or was removed. */
export function absentStatus(object: Resource, now: string): EdgeNodeStatus {
  const message = `no edge node named ${object.metadata.name} has joined`;
  const findings: readonly Finding[] = TYPES.map((type) => ({ type, status: "False", reason: "NotJoined", message }));
  return common(object, findings, now);
}

function common(object: Resource, findings: readonly Finding[], now: string): EdgeNodeStatus {
  const { generation } = object.metadata;
  const before = edgeNodeStatusIn(object).conditions;
  return { observedGeneration: generation, conditions: toConditions(findings, { before, generation, now }) };
}

const acceptedOr = (refused: Refusal | undefined): Finding =>
  refused
    ? { type: "Accepted", status: "False", ...refused }
    : { type: "Accepted", status: "True", reason: "Declared", message: "the node is as the spec says" };

/** In the words of `kubectl get nodes`: a node that is cordoned is ready, too. */
function readiness({ state, name }: Node): Finding {
  if (state === "ready") return { type: "Ready", status: "True", reason: "Connected", message: `${name} is connected` };
  // Only the replica that held its session can say: it died, and the node comes back to another one.
  const status = state === "detached" || state === "suspect" ? "Unknown" : "False";
  return { type: "Ready", status, reason: REASONS[state], message: `${name} is ${state}` };
}

const REASONS = {
  waiting: "WaitsForApproval",
  pending: "NeverConnected",
  ready: "Connected",
  suspect: "Silent",
  detached: "Detached",
  lost: "Lost",
  revoked: "Revoked",
} as const satisfies Record<Node["state"], string>;
