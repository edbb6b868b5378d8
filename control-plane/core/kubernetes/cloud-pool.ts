import type { CloudPoolSpec, PoolFindings } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import {
  cloudPoolResourceSpec,
  cloudPoolStatus,
  type CloudPoolStatus,
} from "../../../shared/api/v1alpha1/cloud-pool.ts";
import type { Resource } from "../../../shared/api/v1alpha1/resource.ts";
import { ownConditions, refusal, toConditions, type Finding, type Refusal } from "./conditions.ts";

/** The conditions that Skerry writes. */
const TYPES = ["Accepted", "Ready", "Stalled"] as const;
const MAX_TEXT = 4_096;

/** What was declared, by the API's schema; or what is wrong with it. The server's own rules let nothing else through. */
export function cloudPoolSpecOf({ metadata: { name, namespace }, spec }: Resource): CloudPoolSpec | Refusal {
  const fields = typeof spec === "object" ? spec : {};
  const parsed = cloudPoolResourceSpec.safeParse({ ...fields, name, namespace });
  return parsed.success ? parsed.data : refusal("InvalidSpec", parsed.error.issues);
}

/** What the object's status says now; only what is Skerry's of it. */
export function cloudPoolStatusIn({ status }: Resource): CloudPoolStatus {
  const parsed = cloudPoolStatus.safeParse(status ?? {});
  const known = parsed.success ? parsed.data : { conditions: [] };
  return { ...known, conditions: ownConditions(known.conditions, TYPES) };
}

/** The status of an object that is carried out. `findings`: undefined until the pool was looked at. */
export function acceptedPoolStatus(
  object: Resource,
  { findings, now }: { readonly findings: PoolFindings | undefined; readonly now: string },
): CloudPoolStatus {
  const { generation, name } = object.metadata;
  const accepted: Finding = {
    type: "Accepted",
    status: "True",
    reason: "Declared",
    message: `declared as the pool ${name}`,
  };
  const conditions = toConditions([accepted, ...(findings ? [readiness(findings), stalling(findings)] : [])], {
    before: cloudPoolStatusIn(object).conditions,
    generation,
    now,
  });
  if (!findings) return { observedGeneration: generation, conditions };
  const { wanted, replicas, ready, pending, trouble } = findings;
  return {
    observedGeneration: generation,
    conditions,
    wanted,
    replicas,
    ready,
    pending,
    ...(trouble !== null && { trouble: trouble.slice(0, MAX_TEXT) }),
  };
}

/** The status of an object that is not carried out. */
export function refusedPoolStatus(object: Resource, why: Refusal, now: string): CloudPoolStatus {
  const { generation } = object.metadata;
  const findings = (["Accepted", "Ready"] as const).map((type) => ({ type, status: "False" as const, ...why }));
  const before = cloudPoolStatusIn(object).conditions;
  return { observedGeneration: generation, conditions: toConditions(findings, { before, generation, now }) };
}

function readiness({ ready, wanted }: PoolFindings): Finding {
  if (ready >= wanted)
    return {
      type: "Ready",
      status: "True",
      reason: "AllPodsReady",
      message: "every pod that is wanted is a ready node",
    };
  const message = `${wanted - ready} of ${wanted} pods that are wanted are no ready nodes`;
  return { type: "Ready", status: "False", reason: "PodsNotReady", message };
}

function stalling({ trouble }: PoolFindings): Finding {
  return trouble === null
    ? { type: "Stalled", status: "False", reason: "NothingInTheWay", message: "nothing is in the way" }
    : { type: "Stalled", status: "True", reason: "PoolStalled", message: trouble.slice(0, MAX_TEXT) };
}
