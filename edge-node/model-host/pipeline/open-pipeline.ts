import { readFileSync } from "node:fs";
import path from "node:path";
import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { decodeStagedRequest, type RequestedOutput } from "../../../shared/inference/request.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import type { ResponseParameters } from "../../../shared/inference/response.ts";
import type { SkerryParameters } from "../../../shared/inference/skerry-parameters.ts";
import { readDocument } from "../../../shared/pipeline/document.ts";
import type { PipelinePlan } from "../../../shared/pipeline/plan.ts";
import { planPipeline } from "../../../shared/pipeline/planner.ts";
import { PipelineRunner } from "../../../shared/pipeline/runner.ts";
import { allOutputs, decisionNames, rawInputs, stagedSignature } from "../../../shared/pipeline/signatures.ts";
import { MAX_KEPT_BYTES, StreamMemory } from "../../../shared/pipeline/stream/stream-memory.ts";
import { MANIFEST_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import type { Manifest, PipelineModel, TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import { hasDecide, hasPre } from "../../../shared/protocol/stages.ts";
import type { AroundModel, PreparedRequest } from "../onnx/batching/around-model.ts";
import { defaultTensor } from "../onnx/input-defaults.ts";
import { type OpenedModel, openModel } from "../onnx/model.ts";
import { chainedModel } from "./chained-model.ts";
import { withoutEmptyRuns } from "./empty-runs.ts";
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
  /** Its steps keep something of a stream from one request to the next. */
  readonly keepsState: boolean;
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
  const model = isAlone ? only : chainedModel(plan, opened, tools);
  return {
    model: plan.keepsState ? withoutEmptyRuns(model) : model,
    keepsState: plan.keepsState,
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
  /** Undefined: no step keeps anything. */
  readonly memory: StreamMemory | undefined;
  readonly isOfStream: boolean;
}

function around(plan: PipelinePlan, runner: PipelineRunner): AroundModel<PipelineRequest> {
  const signature = stagedSignature(plan);
  const names = decisionNames(plan.graphOutputs.map(({ spec }) => spec));
  const needed = runner.neededOutputs;
  return {
    prepare(body, headerLength, { kept, ...path }) {
      const request = decodeStagedRequest(body, headerLength, signature, path);
      const memory = plan.keepsState ? new StreamMemory(kept) : undefined;
      const { stages } = request.skerry;
      const isAdded = ({ name }: RequestedOutput): boolean =>
        hasDecide(stages) && (name === names.decision || name === names.confidence);
      const decides = request.outputs.some(isAdded);
      const own = request.outputs
        .filter((output) => !isAdded(output) && output.name !== request.explain?.name)
        .map(({ name }) => name);
      return {
        ...request,
        inputs: hasPre(stages) ? runner.prepare(request.inputs, memory) : request.inputs,
        runs: [...new Set([...own, ...(decides ? needed : [])])],
        decides,
        memory,
        isOfStream: kept !== undefined,
      };
    },
    finish({ outputs, skerry, decides, memory, isOfStream }, tensors) {
      const decision = decides ? runner.decide(tensors, memory) : undefined;
      const kept = isOfStream ? memory?.encode() : undefined;
      if (kept !== undefined && kept.byteLength > MAX_KEPT_BYTES)
        throw invalid(`the stream would keep ${kept.byteLength} bytes; ${MAX_KEPT_BYTES} are the most`);
      const parameters = { skerry_stages: skerry.stages, ...leftOut(memory) };
      if (decision === undefined) return { tensors: inOrder(outputs, tensors), parameters, kept };
      const { labels, confidence } = decision;
      const shape = [labels.length];
      const added: readonly Tensor[] = [
        { name: names.decision, datatype: "BYTES", shape, data: [...labels] },
        { name: names.confidence, datatype: "FP32", shape, data: confidence },
      ];
      return {
        tensors: inOrder(outputs, [...tensors, ...added]),
        parameters: { ...parameters, skerry_decision_rule: plan.rule },
        kept,
      };
    },
  };
}

/** What rows and keys a request left out, as far as it did. */
function leftOut(memory: StreamMemory | undefined): ResponseParameters {
  const { lateRows = 0, droppedRows = 0, droppedKeys = 0 } = memory?.leftOut ?? {};
  return {
    ...(lateRows > 0 && { skerry_late_rows: lateRows }),
    ...(droppedRows > 0 && { skerry_dropped_rows: droppedRows }),
    ...(droppedKeys > 0 && { skerry_dropped_keys: droppedKeys }),
  };
}

function inOrder(outputs: readonly RequestedOutput[], tensors: readonly Tensor[]): readonly Tensor[] {
  return outputs.map(({ name }) => {
    const tensor = tensors.find((each) => each.name === name);
    if (tensor === undefined) throw new Error(`there is no output "${name}"`);
    return tensor;
  });
}
