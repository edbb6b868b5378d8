import { cascadeRules, type CascadeSpec } from "../../../shared/api/v1/deployments/cascade-spec.ts";
import type { DeploymentSpec } from "../../../shared/api/v1/deployments/deployment-spec.ts";
import type { ExplainResponse } from "../../../shared/api/v1/deployments/explain.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { scoredOutputs } from "../../../shared/inference/explain/explainers.ts";
import type { AnswerDoubt } from "../../../shared/protocol/answer-doubt.ts";
import { kindOf } from "../../../shared/text/model-kind.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import { isServing, placementsOfDeployment } from "../../core/fleet/queries.ts";
import type { Fleet, FleetVersion } from "../../core/fleet/types.ts";
import type { CascadeState } from "../inference/cascade/cascades.ts";

type View = NonNullable<ExplainResponse["cascade"]>;

/** A cascade as `explain` shows it: its rules, where the large model is ready, and what this control plane counted. */
export function cascadeView(
  fleet: Fleet,
  spec: CascadeSpec,
  { state, ...time }: { readonly state: CascadeState; readonly now: number; readonly timings: NodeTimings },
): View {
  const large = fleet.deployments.get(spec.to);
  const serving = placementsOfDeployment(fleet, spec.to).filter((placement) => isServing(fleet, placement, time));
  const count = (kind: "edge" | "cloud"): number =>
    serving.filter(({ nodeId }) => fleet.nodes.get(nodeId)?.kind === kind).length;
  const ready = { edge: count("edge"), cloud: count("cloud") };
  const where =
    large === undefined
      ? "there is no such deployment"
      : `it is ready on ${ready.edge} edge and ${ready.cloud} cloud nodes`;
  return {
    to: spec.to,
    model: large?.spec.model ?? null,
    ready,
    breaker: state.breaker,
    leftBytes: state.leftBytes ?? null,
    counted: state.counted,
    sentence: `${spec.to} answers ${cascadeRules(spec).join(", or ")}; ${where}`,
  };
}

/** Throws `INVALID_REQUEST` for a cascade of a model that can have none: nothing of it would ever be done. */
export function refuseCascade(fleet: Fleet, { model, cascade }: DeploymentSpec): void {
  if (cascade === undefined) return;
  const ready = [...fleet.versions.values()].filter((each) => each.model === model && each.state === "ready");
  if (ready.length === 0) return;
  const { doubt, answer, promptCharacters } = cascade.when;
  const kinds = new Set(ready.map(kindOf));
  if (!kinds.has("text") && !kinds.has("tensors"))
    throw invalid(`\`cascade\` is for models that write text or answer tensors, and ${model} does neither`);
  if (!kinds.has("text") && (doubt ?? promptCharacters) !== undefined)
    throw invalid(
      `\`cascade.when\` of ${model}, which writes no text, takes \`answer\`; \`doubt\` and \`promptCharacters\` are for text`,
    );
  if (!kinds.has("tensors") && answer !== undefined)
    throw invalid(`\`cascade.when.answer\` is for models of tensors, and ${model} writes text; \`doubt\` is for text`);
  if ((doubt ?? answer) !== undefined && ready.every(({ engine }) => engine !== undefined))
    throw invalid(
      `\`cascade.when.${doubt === undefined ? "answer" : "doubt"}\` cannot be measured: an engine executes ${model}, and only model hosts of nodes measure doubt`,
    );
  if (answer !== undefined) refuseOutput(ready, model, answer);
}

/**
 * Throws `INVALID_REQUEST` where no version has the scores that a rule is about. Nodes measure what the graphs put out: of a pipeline
 * its decision and confidence are made only after that.
 */
function refuseOutput(ready: readonly FleetVersion[], model: string, { output }: AnswerDoubt): void {
  const scored = ready.flatMap(({ pipeline, outputs }) => scoredOutputs({ outputs: pipeline?.outputs ?? outputs }));
  const names = new Set(scored.map(({ name }) => name));
  if (output === undefined ? names.size > 0 : names.has(output)) return;
  const has = names.size === 0 ? "none" : [...names].join(", ");
  const isIn = (specs: readonly { readonly name: string }[]): boolean => specs.some(({ name }) => name === output);
  const isAdded = ready.some(({ pipeline, outputs }) => pipeline && isIn(outputs) && !isIn(pipeline.outputs));
  throw invalid(
    isAdded
      ? `\`cascade.when.answer.output\` is ${output}, which the pipeline of ${model} adds to what its graphs put out; name an output of floats with rows of its graphs, which are: ${has}`
      : `\`cascade.when.answer\` needs an output of floats with rows; ${model} has ${has}`,
  );
}

const invalid = (detail: string): SkerryError => new SkerryError("INVALID_REQUEST", detail);
