import { explainersOf } from "../inference/explain/explainers.ts";
import type { Signature, StagedSignature } from "../inference/request.ts";
import { hasDecide, hasPre, STAGES, type Stages } from "../protocol/stages.ts";
import type { TensorSpec } from "../protocol/model-files/manifest.ts";
import type { PipelinePlan } from "./plan.ts";

/** What a pipeline takes and answers, by the stages that a request passes. */

/** Names of what a decision adds to the outputs. A graph's own output of the same name keeps it. */
export interface DecisionNames {
  readonly decision: string;
  readonly confidence: string;
}

export function decisionNames(outputs: readonly { readonly name: string }[]): DecisionNames {
  const free = (name: string): string => (outputs.some((output) => output.name === name) ? `skerry.${name}` : name);
  return { decision: free("decision"), confidence: free("confidence") };
}

/** The raw inputs of a pipeline, as its metadata shows them. */
export const rawInputs = ({ inputs }: Pick<PipelinePlan, "inputs">): readonly TensorSpec[] =>
  inputs.map((name) => ({ name, datatype: "BYTES", shape: [-1] }));

/** Outputs of the graphs, and those of the decision if there is one. */
export function allOutputs({
  graphOutputs,
  decision,
}: Pick<PipelinePlan, "graphOutputs" | "decision">): readonly TensorSpec[] {
  const outputs = graphOutputs.map(({ spec }) => spec);
  if (decision === undefined) return outputs;
  const names = decisionNames(outputs);
  return [
    ...outputs,
    { name: names.decision, datatype: "BYTES", shape: [-1] },
    { name: names.confidence, datatype: "FP32", shape: [-1] },
  ];
}

/** What a request without `skerry_stages` passes: all that there is. */
const defaultStages = (stages: readonly Stages[]): Stages =>
  STAGES.findLast((each) => stages.includes(each)) ?? "infer";

export function stagedSignature(plan: PipelinePlan): StagedSignature {
  const raw = rawInputs(plan).map((spec) => ({ ...spec, asBytes: true as const }));
  const bare = plan.graphInputs.map(({ spec }) => spec);
  const decided = allOutputs(plan);
  const outputs = plan.graphOutputs.map(({ spec }) => spec);
  // What is explained are the graphs: the parts of a file have no influence of their own.
  const isExplained = explainersOf({ inputs: bare, outputs }).length > 0;
  const signatures = new Map<Stages, Signature>(
    plan.stages.map((stages) => [
      stages,
      {
        inputs: hasPre(stages) ? raw : bare,
        outputs: hasDecide(stages) ? decided : outputs,
        ...(stages !== "infer" && { explainers: [], ...(isExplained && { explainedStages: "infer" }) }),
      },
    ]),
  );
  const whole = defaultStages(plan.stages);
  const fallback: Signature = { inputs: raw, outputs: decided };
  return {
    declared: { stages: plan.stages, defaultStages: whole },
    signatureOf: (stages) => signatures.get(stages) ?? fallback,
  };
}
