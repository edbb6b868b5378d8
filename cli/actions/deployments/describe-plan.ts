import type { PlannedDeployment, PlannedStep, PlanResponse } from "../../../shared/api/v1/deployments/plan.ts";
import type { Style } from "../../output/paint.ts";
import { type Column, renderTable } from "../../output/table.ts";
import { rejectionTable } from "./explain.ts";

const SPEC_WORDS = { create: "created", update: "changed", remove: "removed", none: "as it is" } as const;

const ACTION_WORDS: Readonly<Record<PlannedStep["action"], (paint: Style) => string>> = {
  place: (paint) => paint.good("place"),
  retry: (paint) => paint.warn("retry"),
  remove: (paint) => paint.bad("remove"),
};

const stepColumns: readonly Column<PlannedStep>[] = [
  { header: "ROUND", value: ({ round }) => String(round), align: "right" },
  { header: "STEP", value: ({ action }, paint) => ACTION_WORDS[action](paint) },
  { header: "DEPLOYMENT", value: ({ deployment }) => deployment ?? "" },
  { header: "MODEL", value: ({ model, version }) => `${model}:${version}` },
  { header: "NODE", value: ({ node }) => node },
  { header: "WHY", value: ({ why }) => why },
];

function countsText({ before, after }: PlannedDeployment, kind: "edge" | "cloud"): string {
  const of = ({ ready, wanted }: { readonly ready: number; readonly wanted: number }): string => `${ready}/${wanted}`;
  const was = before === null ? "0/0" : of(before[kind]);
  const is = of(after[kind]);
  if (was === "0/0" && is === "0/0") return "";
  return was === is ? is : `${was} → ${is}`;
}

const deploymentColumns: readonly Column<PlannedDeployment>[] = [
  { header: "DEPLOYMENT", value: ({ deployment }) => deployment },
  { header: "SPEC", value: ({ spec }) => SPEC_WORDS[spec] },
  { header: "VERSION", value: ({ targetVersion }) => (targetVersion === null ? "" : String(targetVersion)) },
  { header: "EDGE", value: (row) => countsText(row, "edge"), align: "right" },
  { header: "CLOUD", value: (row) => countsText(row, "cloud"), align: "right" },
  { header: "SERVED BY", value: ({ nodes }) => nodes.join(", ") },
  { header: "NOT PLACED", value: ({ unplaced }, paint) => (unplaced.length > 0 ? paint.bad(unplaced.join("; ")) : "") },
];

/**
 * The steps, what would be so of the deployments that were asked about and of all that a step is about, and the nodes that
 * refuse what has no place. `wide`: of all deployments.
 */
export function describePlan(
  { steps, deployments }: PlanResponse,
  { asked, paint, wide }: { readonly asked: ReadonlySet<string>; readonly paint: Style; readonly wide: boolean },
): string {
  const moved = new Set(steps.map(({ deployment }) => deployment));
  const shown = deployments.filter(({ deployment }) => wide || asked.has(deployment) || moved.has(deployment));
  const refused = shown.filter(({ refusals }) => refusals.length > 0);
  return [
    steps.length === 0 ? "Nothing would be placed or moved." : renderTable(steps, stepColumns, { wide: true, paint }),
    ...(shown.length === 0 ? [] : [renderTable(shown, deploymentColumns, { wide: true, paint })]),
    ...refused.map(({ deployment, refusals, refusalsLeftOut }) => {
      const more = refusalsLeftOut === 0 ? "" : `\n  and ${refusalsLeftOut} more nodes`;
      return `${paint.strong(deployment)} has no place\n${rejectionTable(refusals, paint)}${more}`;
    }),
  ].join("\n\n");
}
