import { assertNever } from "../../../shared/base/assert-never.ts";
import type { MatchExpression, NodeSelector } from "../../../shared/api/v1/nodes/node-selector.ts";

/** Whether it matches every node. */
export const asksNothing = ({ matchLabels, matchExpressions }: NodeSelector): boolean =>
  Object.keys(matchLabels).length + matchExpressions.length === 0;

/** The first requirement of a selector that `labels` do not meet, as a person would write it; undefined when all are met. */
export function unmetRequirement(selector: NodeSelector, labels: Readonly<Record<string, string>>): string | undefined {
  for (const [key, value] of Object.entries(selector.matchLabels)) {
    if (labels[key] !== value) return `${key}=${value}`;
  }
  const unmet = selector.matchExpressions.find((expression) => !isMet(expression, labels[expression.key]));
  return unmet && describe(unmet);
}

/** What no label of a node can be made to say: it is what the node is. */
const FIXED: ReadonlySet<string> = new Set(["kind", "name"]);

/** What a node's labels, site and zone would have to be so that all is met, in a few words each; undefined: they cannot. */
export function changesToMatch(
  { matchLabels, matchExpressions }: NodeSelector,
  labels: Readonly<Record<string, string>>,
): readonly string[] | undefined {
  const wanted = Object.entries(matchLabels).map(([key, value]) => ({ key, operator: "In" as const, values: [value] }));
  const unmet = [...wanted, ...matchExpressions].filter((expression) => !isMet(expression, labels[expression.key]));
  return unmet.some(({ key }) => FIXED.has(key)) ? undefined : unmet.map(changeToMeet);
}

function changeToMeet({ key, operator, values }: MatchExpression): string {
  const isPlace = key === "site" || key === "zone";
  switch (operator) {
    case "In": {
      const value = values.join(" or ");
      return isPlace ? `set its ${key} to ${value}` : `label ${key}=${value}`;
    }
    case "NotIn":
      return isPlace ? `set another ${key}` : `remove or change label ${key}`;
    case "Exists":
      return `set label ${key}`;
    case "DoesNotExist":
      return `remove label ${key}`;
    default:
      return assertNever(operator);
  }
}

/** Kubernetes' rules: a label that is absent meets `NotIn`. */
function isMet({ operator, values }: MatchExpression, label: string | undefined): boolean {
  switch (operator) {
    case "In":
      return label !== undefined && values.includes(label);
    case "NotIn":
      return label === undefined || !values.includes(label);
    case "Exists":
      return label !== undefined;
    case "DoesNotExist":
      return label === undefined;
    default:
      return assertNever(operator);
  }
}

function describe({ key, operator, values }: MatchExpression): string {
  switch (operator) {
    case "In":
      return `${key} in (${values.join(", ")})`;
    case "NotIn":
      return `${key} not in (${values.join(", ")})`;
    case "Exists":
      return `label ${key}`;
    case "DoesNotExist":
      return `no label ${key}`;
    default:
      return assertNever(operator);
  }
}
