import type { MatchExpression, NodeSelector } from "../../../../shared/api/v1/nodes/node-selector.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";

const KEY = /^[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$/;
/** What is before the operator is looked at by itself, with KEY. */
const EQUALS = /^([^\s=!]+)\s*(==|=|!=)\s*([^\s=!,()]{0,256})$/;
const SET = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const EXISTS = /^(!?)\s*(\S+)$/;

/**
 * `site=harbour,gpu!=none,zone in (a, b),tier notin (spare),camera,!broken`, as kubectl takes it.
 * Throws `INVALID_REQUEST` naming the part that is none of these.
 */
export function parseLabelSelector(text: string): NodeSelector {
  const matchExpressions = splitOutsideParentheses(text).map((part) => parseRequirement(part.trim()));
  return { matchLabels: {}, matchExpressions };
}

function parseRequirement(part: string): MatchExpression {
  const equals = withKey(EQUALS.exec(part), 1);
  if (equals) return { key: equals[1] ?? "", operator: equals[2] === "!=" ? "NotIn" : "In", values: [equals[3] ?? ""] };
  const set = withKey(SET.exec(part), 1);
  if (set) {
    const values = (set[3] ?? "").split(",").map((value) => value.trim());
    return { key: set[1] ?? "", operator: set[2] === "in" ? "In" : "NotIn", values };
  }
  const exists = withKey(EXISTS.exec(part), 2);
  if (exists) return { key: exists[2] ?? "", operator: exists[1] === "!" ? "DoesNotExist" : "Exists", values: [] };
  throw invalidFields("query", [
    {
      field: "labelSelector",
      message: `has a part \`${part.slice(0, 64)}\` that is no requirement; write \`a=b\`, \`a!=b\`, \`a in (b, c)\`, \`a notin (b)\`, \`a\` or \`!a\``,
    },
  ]);
}

/** Null where the group is no key of a label. */
const withKey = (found: RegExpExecArray | null, group: number): RegExpExecArray | null =>
  KEY.test(found?.[group] ?? "") ? found : null;

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "(") depth += 1;
    else if (text[at] === ")") depth -= 1;
    else if (text[at] === "," && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, text.slice(start)];
}
