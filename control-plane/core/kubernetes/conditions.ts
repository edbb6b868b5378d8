import type { ResourceCondition } from "../../../shared/api/v1alpha1/resource.ts";

/** What is so of an object now. */
export interface Finding {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

/** Why an object is not carried out. */
export interface Refusal {
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** What a schema found in a spec, in one sentence. */
export const refusal = (
  reason: string,
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): Refusal => ({ reason, message: issues.map(({ path, message }) => `spec.${path.join(".")}: ${message}`).join("; ") });

/** Conditions as Kubernetes has them: a condition whose status is what it was keeps its time. Sorted by type. */
export function toConditions(
  findings: readonly Finding[],
  { before, generation, now }: { before: readonly ResourceCondition[]; generation: number; now: string },
): ResourceCondition[] {
  return findings
    .map(({ type, status, reason, message }) => {
      const known = before.find((condition) => condition.type === type);
      const lastTransitionTime = known?.status === status ? known.lastTransitionTime : now;
      return { type, status, observedGeneration: generation, lastTransitionTime, reason, message };
    })
    .toSorted((a, b) => (a.type < b.type ? -1 : 1));
}

/** Those of `conditions` that are ours, as `toConditions` sorts them: others may add their own. */
export const ownConditions = (
  conditions: readonly ResourceCondition[],
  types: readonly string[],
): ResourceCondition[] =>
  conditions.filter(({ type }) => types.includes(type)).toSorted((a, b) => (a.type < b.type ? -1 : 1));

interface Transition {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/**
 * What of a change is worth an event: a condition that came to be true or false and matters, once. `Ready` is one when it
 * becomes true and when it ends, not while it is still to come; `Accepted` when it is refused; `Stalled` when it begins or has
 * another cause.
 */
export function transitionsOf(
  before: readonly ResourceCondition[],
  after: readonly ResourceCondition[],
): readonly Transition[] {
  return after.flatMap(({ type, status, reason, message }): readonly Transition[] => {
    const was = before.find((condition) => condition.type === type);
    const isNew = was?.status !== status;
    if (type === "Ready" && isNew && status === "True") return [{ type: "Normal", reason: "Ready", message }];
    if (type === "Ready" && was?.status === "True" && isNew) return [{ type: "Warning", reason, message }];
    const isBad = (type === "Accepted" && status === "False") || (type === "Stalled" && status === "True");
    return isBad && (isNew || was?.message !== message) ? [{ type: "Warning", reason, message }] : [];
  });
}
