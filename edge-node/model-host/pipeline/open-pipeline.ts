import { readFileSync } from "node:fs";
import path from "node:path";
import type { Tensor } from "../../../shared/inference/datatypes.ts";
import { decodeStagedRequest, type RequestedOutput } from "../../../shared/inference/request.ts";
import type { SkerryParameters } from "../../../shared/inference/skerry-parameters.ts";
import { readDocument } from "../../../shared/pipeline/document.ts";
import { type PipelinePlan, planPipeline } from "../../../shared/pipeline/plan.ts";
import { PipelineRunner } from "../../../shared/pipeline/runner.ts";
import { allOutputs, decisionNames, rawInputs, stagedSignature } from "../../../shared/pipeline/signatures.ts";
import { MANIFEST_FILE } from "../../../shared/protocol/bundle.ts";
import type { Manifest, PipelineModel, TensorSpec } from "../../../shared/protocol/manifest.ts";
import { hasDecide, hasPre } from "../../../shared/protocol/stages.ts";
import type { AroundModel, PreparedRequest } from "../onnx/batching/around-model.ts";
import { defaultTensor } from "../onnx/input-defaults.ts";
import { type OpenedModel, openModel } from "../onnx/model.ts";
import { chainedModel } from "./chained-model.ts";
import { openTools } from "./tools.ts";

/** A pipeline in its host: its graphs as one model, and what is done before and behind them. */
export interface HostedPipeline extends AroundModel<PipelineRequest> {
  readonly model: OpenedModel;
  /** What it takes and puts out when all stages are passed. */
  readonly specs: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] };
  /** Memory that its steps need beside what runs of the model show, in MiB. */
  readonly roomMiB: number;
  /** Path of its last graph. */
  readonly file: string;
}

/** Loads the pipeline in a bundle's folder. The manifest there was verified by the agent. */
export async function openPipeline(directory: string): Promise<HostedPipeline> {
  const { pipeline } = JSON.parse(readFileSync(path.join(directory, MANIFEST_FILE), "utf8")) as Manifest;
  if (pipeline === undefined) throw new Error("the manifest declares no pipeline");
  const graphs = new Map(pipeline.graphs.map((graph) => [graph.file, graph]));
  const plan = planPipeline(readDocument(pipeline.document), graphs);
  const opened = await openGraphs(directory, pipeline);
  const tools = await openTools(plan, directory);
  const runner = new PipelineRunner(plan, tools);
  const [only] = opened.values();
  const isAlone = opened.size === 1 && plan.infer.length === 1 && only !== undefined;
  return {
    model: isAlone ? only : chainedModel(plan, opened, tools),
    specs: { inputs: rawInputs(plan), outputs: allOutputs(plan) },
    roomMiB: plan.roomMiB,
    file: path.join(directory, pipeline.graphs.at(-1)?.file ?? ""),
    ...around(plan, runner),
  };
}

async function openGraphs(directory: string, { graphs }: PipelineModel): Promise<ReadonlyMap<string, OpenedModel>> {
  const opened = new Map<string, OpenedModel>();
  for (const { file, defaults = [] } of graphs)
    opened.set(file, await openModel(path.join(directory, file), defaults.map(defaultTensor)));
  return opened;
}

/** A request on its way through the model, with what its answer needs of the request as it came. */
interface PipelineRequest extends PreparedRequest {
  readonly skerry: SkerryParameters;
  readonly decides: boolean;
}

function around(plan: PipelinePlan, runner: PipelineRunner): AroundModel<PipelineRequest> {
  const signature = stagedSignature(plan);
  const names = decisionNames(plan.graphOutputs.map(({ spec }) => spec));
  const needed = runner.neededOutputs;
  return {
    prepare(body, headerLength, path) {
      const request = decodeStagedRequest(body, headerLength, signature, path);
      const { stages } = request.skerry;
      const isAdded = ({ name }: RequestedOutput): boolean =>
        hasDecide(stages) && (name === names.decision || name === names.confidence);
      const decides = request.outputs.some(isAdded);
      const own = request.outputs
        .filter((output) => !isAdded(output) && output.name !== request.explain?.name)
        .map(({ name }) => name);
      return {
        ...request,
        inputs: hasPre(stages) ? runner.prepare(request.inputs) : request.inputs,
        runs: [...new Set([...own, ...(decides ? needed : [])])],
        decides,
      };
    },
    finish({ outputs, skerry, decides }, tensors) {
      const parameters = { skerry_stages: skerry.stages };
      if (!decides) return { tensors: inOrder(outputs, tensors), parameters };
      const { labels, confidence } = runner.decide(tensors);
      const shape = [labels.length];
      const added: readonly Tensor[] = [
        { name: names.decision, datatype: "BYTES", shape, data: [...labels] },
        { name: names.confidence, datatype: "FP32", shape, data: confidence },
      ];
      return {
        tensors: inOrder(outputs, [...tensors, ...added]),
        parameters: { ...parameters, skerry_decision_rule: plan.rule },
      };
    },
  };
}

function inOrder(outputs: readonly RequestedOutput[], tensors: readonly Tensor[]): readonly Tensor[] {
  return outputs.map(({ name }) => {
    const tensor = tensors.find((each) => each.name === name);
    if (tensor === undefined) throw new Error(`there is no output "${name}"`);
    return tensor;
  });
}
