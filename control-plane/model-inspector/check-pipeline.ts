import { readFileSync, rmSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { messageOf } from "../../shared/base/errors.ts";
import type { PipelineModel } from "../../shared/protocol/model-files/manifest.ts";
import { MAX_PIPELINE_BYTES, modelFilesOf, readNewDocument, stepFilesOf } from "../../shared/pipeline/document.ts";
import { type GraphSignature, planPipeline } from "../../shared/pipeline/planner.ts";
import { allOutputs, rawInputs } from "../../shared/pipeline/signatures.ts";
import { isStepFault, StepFault } from "../../shared/pipeline/step.ts";
import { buildPipelineManifest, type NamedFile } from "../core/catalog/build-manifest.ts";
import type { OnnxModel } from "../core/catalog/onnx/inspect.ts";
import { accepted, editedGraph, inspectGraph, type Rejected, rejected, withClasses } from "./inspect-graph.ts";
import { tokenizerFile } from "../../shared/text/encoder-files.ts";
import { InspectionRefused } from "../core/catalog/inspection-refused.ts";
import { BundleFiles } from "./bundle-files.ts";
import type { CheckRequest, CheckResult } from "./messages.ts";

interface CheckedGraph {
  readonly graph: PipelineModel["graphs"][number];
  readonly model: OnnxModel;
  readonly notes: readonly string[];
  /** The file as it is served, when it had to be changed. */
  readonly edited: NamedFile | undefined;
}

/** A document and the graphs that it names, each held against the others. A mistake names the step. */
export function checkPipeline(request: CheckRequest, files: readonly NamedFile[]): CheckResult {
  try {
    const document = readYaml(request);
    const read = readNewDocument(document);
    for (const file of stepFilesOf(read)) checkTokenizer(file, request);
    const checked: CheckedGraph[] = [];
    for (const file of modelFilesOf(read)) {
      const found = checkGraph(file, request, { hasEdited: checked.some(({ edited }) => edited !== undefined) });
      if ("kind" in found) return found;
      checked.push(found);
    }
    const plan = planPipeline(read, new Map(checked.map(({ graph }) => [graph.file, asSignature(graph)])));
    const inputs = rawInputs(plan);
    const outputs = allOutputs(plan);
    const pipeline: PipelineModel = {
      stages: [...plan.stages],
      rule: plan.rule,
      roomMiB: plan.roomMiB,
      inputs: plan.graphInputs.map(({ spec }) => spec),
      outputs: plan.graphOutputs.map(({ spec }) => spec),
      document,
      graphs: checked.map(({ graph }) => graph),
    };
    const edited = checked.find((each) => each.edited !== undefined)?.edited;
    const served = files.map((file) => (file.name === edited?.name ? edited : file));
    const graphs = checked.map(({ model }) => model);
    const manifest = buildPipelineManifest(request, served, { pipeline, inputs, outputs, graphs });
    return accepted(manifest, {
      opset: Math.max(1, ...graphs.map(({ opset }) => opset)),
      producer: graphs[0]?.producer ?? "",
      notes: checked.flatMap(({ graph, notes }) => notes.map((note) => `${graph.file}: ${note}`)),
      ...(edited && { edited: { ...edited, path: edited.name } }),
    });
  } catch (error) {
    if (isStepFault(error) || error instanceof InspectionRefused)
      return rejected("INVALID_MODEL", `${request.main}: ${error.message}`);
    throw error;
  }
}

/** The only files that steps read are those of tokenizers. */
function checkTokenizer(name: string, request: CheckRequest): void {
  const found = new BundleFiles(request).read(name);
  if (found === undefined) throw new StepFault(`${name}, which a step names, is not a file of the bundle`);
  const parsed = tokenizerFile.safeParse(found);
  if (!parsed.success) throw new StepFault(`${name} is no tokenizer: it has no model with a vocabulary`);
}

const asSignature = ({ inputs, outputs }: GraphSignature): GraphSignature => ({ inputs, outputs });

const yamlObject = z.record(z.string(), z.unknown());

/** A YAML document without aliases, which could make it far larger than it is; so JSON will do as well. */
function readYaml({ main, files }: CheckRequest): Record<string, unknown> {
  const file = files.find(({ name }) => name === main);
  if (file === undefined || file.bytes > MAX_PIPELINE_BYTES)
    throw new StepFault(`it has more than ${MAX_PIPELINE_BYTES} bytes`);
  let value: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file.path));
    value = parse(text, { maxAliasCount: 0, uniqueKeys: true });
  } catch (error) {
    throw new StepFault(messageOf(error).slice(0, 300));
  }
  const parsed = yamlObject.safeParse(value);
  if (!parsed.success) throw new StepFault("it holds no mapping");
  return parsed.data;
}

function checkGraph(
  name: string,
  request: CheckRequest,
  { hasEdited }: { readonly hasEdited: boolean },
): CheckedGraph | Rejected {
  const requested = request.files.find((file) => file.name === name);
  if (requested === undefined) throw new StepFault(`${name}, which a model step names, is not a file of the bundle`);
  // A second graph that has to be changed would take the place of the first one.
  const editedPath = hasEdited ? `${request.editedPath}.second` : request.editedPath;
  const { file, edit } = editedGraph(requested, editedPath);
  if (file !== undefined && hasEdited) {
    rmSync(editedPath, { force: true });
    throw new StepFault(
      `${name} and another graph have to be changed to be served (a ZipMap, or inputs with default values), and a bundle may have one such graph; export it without (scikit-learn: zipmap=False)`,
    );
  }
  const inspection = inspectGraph(
    file ? editedPath : requested.path,
    { main: name, files: request.files },
    edit.constants,
  );
  if (inspection.kind === "refused") return rejected("INVALID_MODEL", `${name}: ${inspection.reason}`);
  const { model } = inspection;
  return {
    graph: {
      file: name,
      inputs: model.inputs.map((spec) => ({ ...spec })),
      outputs: withClasses(model.outputs, edit.classes),
      ...(edit.defaults.length > 0 && { defaults: edit.defaults.map((each) => ({ ...each })) }),
    },
    model,
    notes: edit.notes,
    edited: file && { name, ...file },
  };
}
