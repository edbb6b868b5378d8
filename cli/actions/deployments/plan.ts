import type { CloudPoolSpec } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import { planResponse, type PlanResponse } from "../../../shared/api/v1/deployments/plan.ts";
import { decode } from "../../api/client.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import { isMachineFormat, printRaw } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";
import { readDeclarationFiles } from "../../spec/declarations.ts";
import { readNodeChanges } from "../../spec/what-if.ts";
import { describePlan } from "./describe-plan.ts";

/** `skerry plan -f`: exit code 3 when something would change, 2 when a replica would have no place. */
export async function plan(run: CommandContext, files: readonly string[]): Promise<ExitCode> {
  const { deployments: specs, pools } = await readDeclarationFiles(files, run.processEnv.stdin);
  if (specs.length === 0)
    throw new CliFailure(EXIT.error, {
      what: "there is no deployment in what is declared",
      fix: "a plan answers for deployments; `skerry apply` declares pools",
    });
  if (pools.length > 0)
    run.output.say(`The plan is made with the nodes that there are: it says nothing of ${namesOf(pools)}.`);
  const { answer, raw } = await ask(run, { deployments: { apply: specs } });
  const declared = new Set(specs.map(({ name }) => name));
  await print(run, answer, { raw, asked: declared });
  if (answer.changes) run.output.next(`apply ${files.map((file) => `-f ${file}`).join(" ")} --wait`);
  return exitCodeOf(answer, (name) => declared.has(name));
}

const namesOf = (pools: readonly CloudPoolSpec[]): string => pools.map(({ name }) => `the pool ${name}`).join(", ");

/** `skerry explain DEPLOYMENT --what-if`: the same of changes of the fleet. Exit codes as of `plan`. */
export async function explainWhatIf(run: CommandContext, name: string, whatIf: readonly string[]): Promise<ExitCode> {
  const { answer, raw } = await ask(run, { nodes: readNodeChanges(whatIf) });
  if (!answer.deployments.some(({ deployment }) => deployment === name))
    throw new CliFailure(EXIT.notFound, { what: `there is no deployment ${name}`, fix: "see `skerry deployments ls`" });
  await print(run, answer, { raw, asked: new Set([name]) });
  return exitCodeOf(answer, (each) => each === name);
}

async function ask(run: CommandContext, question: object): Promise<{ answer: PlanResponse; raw: unknown }> {
  const api = await run.api();
  const { body } = await api.post("/api/v1/plan", question);
  return { answer: decode(planResponse, body, "a plan"), raw: body };
}

async function print(
  run: CommandContext,
  answer: PlanResponse,
  { raw, asked }: { readonly raw: unknown; readonly asked: ReadonlySet<string> },
): Promise<void> {
  const { output, globals } = run;
  if (isMachineFormat(globals.format)) await printRaw(output, globals.format, raw);
  else if (globals.format === "name") for (const name of changedNames(answer)) output.data(name);
  else output.data(describePlan(answer, { asked, paint: output.paint, wide: globals.format === "wide" }));
  if (!answer.settled) output.say("The plan ends here: it was made for as long as a question may take.");
}

const changedNames = ({ deployments, steps }: PlanResponse): readonly string[] =>
  deployments
    .filter(({ deployment, spec }) => spec !== "none" || steps.some((step) => step.deployment === deployment))
    .map(({ deployment }) => deployment);

/** A deployment that nobody asked about counts when it would lose a replica that has no other place. */
function exitCodeOf(answer: PlanResponse, isAsked: (deployment: string) => boolean): ExitCode {
  const isUnmet = answer.deployments.some(({ deployment, unplaced, before, after }) => {
    const isLess = before !== null && (after.edge.ready < before.edge.ready || after.cloud.ready < before.cloud.ready);
    return unplaced.length > 0 && (isAsked(deployment) || isLess);
  });
  if (isUnmet) return EXIT.unmet;
  return answer.changes ? EXIT.changes : EXIT.ok;
}
