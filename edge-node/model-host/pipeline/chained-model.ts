import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { isPlannedModel, type PipelinePlan, type PlannedModel } from "../../../shared/pipeline/plan.ts";
import { buildSteps, runSteps, tensorAt, type Values } from "../../../shared/pipeline/runner.ts";
import type { Tools } from "../../../shared/pipeline/step.ts";
import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import type { OpenedModel } from "../onnx/model.ts";

/** Several graphs, and steps between them, as one model: what passes from one to the next has numbers in the plan. */
export function chainedModel(plan: PipelinePlan, graphs: ReadonlyMap<string, OpenedModel>, tools: Tools): OpenedModel {
  const runs = plan.infer.map((each) =>
    isPlannedModel(each) ? runOf(each, graphOf(graphs, each.file)) : stepOf(each, tools),
  );
  const inputs = plan.graphInputs.map(({ spec }) => spec);
  const outputs = plan.graphOutputs.map(({ spec }) => spec);
  return {
    inputs,
    optional: [],
    outputs,
    dimensions: { inputs: inputs.map(withoutNames), outputs: outputs.map(withoutNames) },
    release: async () => {
      for (const graph of graphs.values()) await graph.release();
    },
    run: async (given, names) => {
      const values: Values = new Map();
      for (const { spec, value } of plan.graphInputs) {
        const tensor = given.find(({ name }) => name === spec.name);
        if (tensor !== undefined) values.set(value, { kind: "tensor", ...tensor });
      }
      for (const run of runs) await run(values);
      return names.map((name) => {
        const crossing = plan.graphOutputs.find(({ spec }) => spec.name === name);
        if (crossing === undefined) throw new Error(`there is no output "${name}"`);
        return { name, ...tensorAt(values, crossing.value) };
      });
    },
  };
}

/** What a variable dimension is called in one graph means nothing in another. */
const withoutNames = ({ name, datatype, shape }: TensorSpec): OpenedModel["dimensions"]["inputs"][number] => ({
  name,
  datatype,
  shape: shape.map((size) => (size === -1 ? "" : size)),
});

type Run = (values: Values) => Promise<void>;

function runOf({ feeds, outputs }: PlannedModel, graph: OpenedModel): Run {
  const names = outputs.map(({ output }) => output);
  return async (values) => {
    const inputs: readonly Tensor[] = feeds.map(({ input, from }) => ({ name: input, ...tensorAt(values, from) }));
    const made = await graph.run(inputs, names);
    for (const [at, { to }] of outputs.entries()) {
      const tensor = made[at];
      if (tensor !== undefined) values.set(to, { kind: "tensor", ...tensor });
    }
  };
}

function stepOf(step: Exclude<PipelinePlan["infer"][number], PlannedModel>, tools: Tools): Run {
  const built = buildSteps([step], tools);
  return async (values) => runSteps(built, values);
}

function graphOf(graphs: ReadonlyMap<string, OpenedModel>, file: string): OpenedModel {
  const graph = graphs.get(file);
  if (graph === undefined) throw new Error(`${file} was not loaded`);
  return graph;
}
