import {
  explainResponse,
  type ExplainResponse,
  type ExplainRecord,
  type NodeVerdict,
} from "../../../shared/api/v1/deployments/explain.ts";
import { decode } from "../../api/client.ts";
import { printObject } from "../../output/format.ts";
import type { Style } from "../../output/paint.ts";
import { renderTable } from "../../output/table.ts";
import { count, formatAge } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { sharingText } from "../models/models.ts";

export interface ExplainOptions {
  readonly whyNot?: string;
  readonly allNodes?: boolean;
}

/** `skerry explain`: the records that the planner kept, in words first and in numbers below. */
export async function explain(run: CommandContext, name: string, options: ExplainOptions): Promise<void> {
  const { whyNot, allNodes = false } = options;
  const { body } = await (
    await run.api()
  ).get(`/api/v1/deployments/${encodeURIComponent(name)}/explain`, {
    node: whyNot,
    nodes: allNodes ? "all" : undefined,
  });
  const answer = decode(explainResponse, body, "an explanation");
  await printObject(run.output, run.globals.format, {
    raw: body,
    name: answer.deployment,
    describe: () => {
      if (answer.whyNot !== null) return describeWhyNot(answer.whyNot, run.output.paint);
      return answer.nodes === null ? describe(answer, run.output.paint) : nodeTable(answer.nodes, run.output.paint);
    },
  });
  if (answer.whyNot === null) run.output.say("Why not elsewhere: skerry explain " + name + " --why-not NODE");
}

function describe(answer: ExplainResponse, paint: Style): string {
  const placed = answer.placements.map(({ node, state, decidedAgeMs, sharing, explain: record }) =>
    [
      `${paint.strong(node)}  ${state}, decided ${formatAge(decidedAgeMs)} ago`,
      ...recordLines(record, paint),
      ...(sharing === null ? [] : [`  ${paint.faint(`shared runs: ${sharingText(sharing)}`)}`]),
    ].join("\n"),
  );
  const now = answer.now.map((record) =>
    [paint.strong(`If it were decided now (${record.kind})`), ...recordLines(record, paint)].join("\n"),
  );
  const cascade = answer.cascade === null ? [] : [cascadeLines(answer.cascade, paint)];
  return [...(placed.length === 0 ? ["It has no placement."] : placed), ...now, ...cascade].join("\n\n");
}

function cascadeLines(
  { to, sentence, breaker, leftBytes, counted }: NonNullable<ExplainResponse["cascade"]>,
  paint: Style,
): string {
  const lines = [`${paint.strong("Cascade")}  ${sentence}`];
  if (breaker !== "closed") lines.push(`  ${paint.warn(`${to} failed and is not asked now`)}`);
  const { requests, escalated, compared, agreed } = counted;
  if (requests > 0) {
    const alike = compared === 0 ? "" : `; where both answered, ${percent(agreed, compared)} decide alike`;
    const asked = `${percent(escalated, requests)} of ${count(requests, "request")} were answered by ${to}`;
    lines.push(`  ${paint.faint(`${asked}${alike}`)}`);
  }
  if (leftBytes !== null) lines.push(`  ${paint.faint(`${count(leftBytes, "byte")} may go to cloud nodes now`)}`);
  return lines.join("\n");
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;

function recordLines(record: ExplainRecord, paint: Style): readonly string[] {
  const lines = [
    `  ${record.sentence}`,
    `  ${paint.faint(`${count(record.evaluated, "node")} looked at, ${record.feasible} fit; because of ${record.trigger}; profile ${record.profile}`)}`,
  ];
  if (record.tieBreak !== null) lines.push(`  ${paint.faint(`tie: ${record.tieBreak}`)}`);
  if (record.wouldChange !== undefined && record.wouldChange.length > 0)
    lines.push("  what would change it:", ...record.wouldChange.map((change) => `    ${change}`));
  if (record.top.length > 0) lines.push(indent(scoreTable(record, paint)));
  if (record.rejections.length > 0) lines.push(indent(rejectionTable(record.rejections, paint)));
  return lines;
}

function scoreTable(record: ExplainRecord, paint: Style): string {
  const names = [...new Set(record.top.flatMap(({ scores }) => Object.keys(scores)))];
  const chosen = new Set(record.chosen);
  return renderTable(
    record.top,
    [
      { header: "NODE", value: (row) => (chosen.has(row.node) ? paint.good(`${row.node} ✓`) : row.node) },
      { header: "TOTAL", value: (row) => row.total.toFixed(1), align: "right" as const },
      ...names.map((name) => ({
        header: name.toUpperCase(),
        value: (row: ExplainRecord["top"][number]) => {
          const scored = Object.hasOwn(row.scores, name) ? row.scores[name] : undefined;
          return scored === undefined ? "" : `${Math.round(scored.score)} ×${scored.weight} (${scored.raw})`;
        },
      })),
    ],
    { wide: true, paint },
  );
}

/** Nodes that refuse a deployment, each with its filter and why. */
export function rejectionTable(rejections: ExplainRecord["rejections"], paint: Style): string {
  return renderTable(
    rejections,
    [
      { header: "REFUSED", value: (row) => row.node },
      { header: "FILTER", value: (row) => row.code },
      {
        header: "VERDICT",
        value: (row) => (row.verdict === "not now" ? paint.warn(row.verdict) : paint.bad(row.verdict)),
      },
      { header: "WHY", value: (row) => row.sentence },
    ],
    { wide: true, paint },
  );
}

function nodeTable(nodes: readonly NodeVerdict[], paint: Style): string {
  return renderTable(
    nodes,
    [
      { header: "NODE", value: (row) => (row.holds ? paint.good(`${row.node} ✓`) : row.node) },
      { header: "KIND", value: (row) => row.kind },
      { header: "TOTAL", value: (row) => row.total?.toFixed(1) ?? "–", align: "right" },
      { header: "FILTER", value: (row) => row.refusal?.code ?? "–" },
      { header: "WHY", value: (row) => row.refusal?.sentence ?? (row.holds ? "holds it" : "fits") },
      { header: "WOULD CHANGE IT", value: (row) => row.wouldChange?.join("; ") ?? "" },
    ],
    { wide: true, paint },
  );
}

function describeWhyNot(answer: NonNullable<ExplainResponse["whyNot"]>, paint: Style): string {
  const lines = [`${paint.strong(answer.node)}${answer.holds ? " holds it" : ""}`, `  ${answer.sentence}`];
  if (answer.rejections.length > 0) lines.push(indent(rejectionTable(answer.rejections, paint)));
  const { wouldChange } = answer;
  if (wouldChange === null && !answer.holds) lines.push("  no change would admit it now");
  else if (wouldChange !== null && wouldChange.length > 0)
    lines.push(`  what would change it: ${wouldChange.join("; ")}`);
  if (answer.ranked !== null) {
    const scores = Object.entries(answer.ranked.scores).map(([name, scored]) => ({ name, ...scored }));
    const table = renderTable(
      scores,
      [
        { header: "SCORE", value: (row) => row.name },
        { header: "POINTS", value: (row) => row.score.toFixed(0), align: "right" },
        { header: "WEIGHT", value: (row) => String(row.weight), align: "right" },
        { header: "FROM", value: (row) => row.raw },
      ],
      { wide: true, paint },
    );
    lines.push(`  in all ${answer.ranked.total.toFixed(1)} points`, indent(table));
  }
  return lines.join("\n");
}

const indent = (text: string): string =>
  text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
