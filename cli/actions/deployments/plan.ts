import { planResponse, type PlanResponse } from "../../../shared/api/v1/plan.ts";
import { decode } from "../../api/client.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import type { Style } from "../../output/paint.ts";
import type { CommandContext } from "../../run.ts";
import { readSpecs } from "../../spec/deployment-spec.ts";
import { parseDocuments, readSource } from "../../spec/read-documents.ts";

/** `skerry plan -f`: exit code 3 when something would change, 2 when something could not be placed. */
export async function plan(run: CommandContext, file: string): Promise<ExitCode> {
  const specs = readSpecs(parseDocuments(await readSource(file, run.processEnv.stdin), file));
  const api = await run.api();
  const raws: unknown[] = [];
  const answers: PlanResponse[] = [];
  for (const spec of specs) {
    const { body } = await api.post("/api/v1/plan", { deployment: spec });
    raws.push(body);
    answers.push(decode(planResponse, body, "a plan"));
  }
  const { format } = run.globals;
  if (isMachineFormat(format))
    await printRaw(run.output, format, raws.length === 1 ? raws[0] : { items: raws, nextCursor: null });
  else if (format === "name")
    for (const answer of answers.filter(({ changes }) => changes)) run.output.data(answer.deployment);
  else run.output.data(answers.map((answer) => describePlan(answer, run.output.paint).join("\n")).join("\n\n"));
  if (answers.some(({ changes }) => changes)) run.output.next(`apply -f ${file} --wait`);
  return exitCodeOf(answers);
}

function exitCodeOf(answers: readonly PlanResponse[]): ExitCode {
  if (answers.some(({ unplaced }) => unplaced.length > 0)) return EXIT.unmet;
  return answers.some(({ changes }) => changes) ? EXIT.changes : EXIT.ok;
}

const SPEC_WORDS = {
  create: "would be created",
  update: "would be changed",
  none: "is declared like this already",
} as const;

/** The plan in English, one line for each step. */
export function describePlan(answer: PlanResponse, paint: Style): readonly string[] {
  const target = answer.targetVersion === null ? "" : `, version ${answer.targetVersion}`;
  const lines = [
    `${paint.strong(answer.deployment)} ${SPEC_WORDS[answer.spec]}${target}: ${answer.wanted.edge} edge and ${answer.wanted.cloud} cloud wanted`,
  ];
  for (const { node, version, why } of answer.create)
    lines.push(`  ${paint.good("+")} ${node}  place version ${version}: ${why}`);
  for (const { node, version, why } of answer.retry)
    lines.push(`  ${paint.warn("~")} ${node}  try version ${version} again: ${why}`);
  for (const { node, version, why } of answer.retire)
    lines.push(`  ${paint.bad("-")} ${node}  take version ${version} away: ${why}`);
  for (const sentence of answer.unplaced) lines.push(`  ${paint.bad("!")} ${sentence}`);
  if (lines.length === 1) lines.push("  nothing would be placed or moved");
  return lines;
}
