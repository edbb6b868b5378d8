import type { Residency } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import { admits, type Breaker } from "./breaker.ts";
import type { UploadBudget } from "./upload-budget.ts";

/** Why the large model is not asked, or why its answer was not taken: docs/large-models.md explains each. */
export type CascadeClosing =
  | "residency"
  | "unavailable"
  | "breaker"
  | "budget"
  | "deadline"
  | "busy"
  | "refused"
  | "failed";

export type Opening =
  | {
      readonly kind: "open";
      /** Nodes of these kinds may be asked. */
      readonly kinds: ReadonlySet<NodeKind>;
      /** Within this time, in ms, its answer has to begin: the small model needs the rest. */
      readonly withinMs: number;
    }
  | { readonly kind: "closed"; readonly why: CascadeClosing };

interface Conditions {
  /** Kinds of the nodes on which the large model is ready. */
  readonly readyOn: ReadonlySet<NodeKind>;
  /** Of the small model's deployment. */
  readonly residency: Residency;
  /** The request itself may run at the edge alone. */
  readonly isEdgeOnly: boolean;
  readonly breaker: Breaker;
  /** Undefined: any number of bytes may be sent. */
  readonly budget: UploadBudget | undefined;
  /** Of the request. */
  readonly bytes: number;
  readonly deadline: number;
  readonly now: number;
}

/** Whether a node of this kind may answer the request. */
export const isAllowedOn = (
  kind: NodeKind,
  { residency, isEdgeOnly }: Pick<Conditions, "residency" | "isEdgeOnly">,
): boolean => (residency === "any" || residency === `${kind}-only`) && (kind === "edge" || !isEdgeOnly);

/** Whether the large model may be asked now, and where. Times in ms. */
export function openingOf(conditions: Conditions): Opening {
  const { readyOn, breaker, budget, bytes, deadline, now } = conditions;
  if (readyOn.size === 0) return { kind: "closed", why: "unavailable" };
  const allowed = [...readyOn].filter((kind) => isAllowedOn(kind, conditions));
  if (allowed.length === 0) return { kind: "closed", why: "residency" };
  if (!admits(breaker, now)) return { kind: "closed", why: "breaker" };
  const payable = allowed.filter((kind) => kind === "edge" || budget === undefined || budget.has(bytes, now));
  if (payable.length === 0) return { kind: "closed", why: "budget" };
  const withinMs = Math.floor((deadline - now) / 2);
  if (withinMs < 1) return { kind: "closed", why: "deadline" };
  return { kind: "open", kinds: new Set(payable), withinMs };
}
