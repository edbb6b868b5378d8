import { modelMetadata } from "../../../shared/api/v1/inference.ts";
import { deployment, type Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import { scoredOutputs } from "../../../shared/inference/explain/explainers.ts";
import { measured, rowsOf } from "../../../shared/inference/measure-doubt.ts";
import type { NpyArray } from "../../../shared/inference/samples/npy.ts";
import { doubtMeasureName, type DoubtMeasureName } from "../../../shared/protocol/answer-doubt.ts";
import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { type CascadeFigures, chooseThreshold, type ChosenThreshold } from "../../cascade/choose-threshold.ts";
import { usageFailure } from "../../failure.ts";
import { asUsage, readSamples } from "../../models/samples/read-samples.ts";
import { runAll } from "../../models/samples/run-requests.ts";
import { sampleRequests } from "../../models/samples/sample-requests.ts";
import { printObject } from "../../output/format.ts";
import type { Style } from "../../output/paint.ts";
import { renderTable } from "../../output/table.ts";
import type { CommandContext } from "../../run.ts";

export interface CalibrateOptions {
  readonly data: string;
  readonly labels: string;
  readonly measure: string;
  readonly tolerance: string;
}

/** Fewer rows say nothing about a tenth of a per cent. */
const MIN_ROWS = 20;

/** `skerry cascade calibrate`: asks both models the labelled rows, and says which threshold asks the large one least. Changes nothing. */
export async function calibrate(run: CommandContext, name: string, options: CalibrateOptions): Promise<void> {
  const measure = measureOf(options.measure);
  const tolerance = Number(options.tolerance);
  if (!(tolerance >= 0 && tolerance < 1))
    throw usageFailure("--tolerance is a number from 0 to below 1, such as 0.005");
  const api = await run.api();
  const { spec } = await deploymentOf(api, name);
  if (spec.cascade === undefined)
    throw usageFailure(
      `${name} has no cascade`,
      "declare `cascade.to` first; without `when` only a caller asks for it",
    );
  const { spec: large } = await deploymentOf(api, spec.cascade.to);
  const metadata = decode(modelMetadata, (await api.get(modelPath(spec.model))).body, "a model's metadata");
  const output = outputOf(metadata.outputs, spec.cascade.when.answer?.output);
  const samples = await readSamples(options.data);
  const arrays = new Map(samples.arrays);
  const labels = arrays.get(options.labels);
  if (labels === undefined)
    throw usageFailure(
      `${samples.path} has no array ${options.labels}; it has ${[...arrays.keys()].join(", ")}`,
      "name the labels with --labels",
    );
  arrays.delete(options.labels);
  const requests = asUsage(() => sampleRequests(metadata.inputs, metadata.outputs, arrays));
  const small = await runAll(api, `${modelPath(spec.model)}/infer`, requests, { "Skerry-Cascade": "small" });
  const others = await runAll(api, `${modelPath(large.model)}/infer`, requests);
  const scoresOf = (tensors: typeof small): readonly (readonly number[])[] => {
    const tensor = tensors.find((each) => each.name === output.name);
    if (tensor === undefined) throw usageFailure(`a model answered without its output ${output.name}`);
    return rowsOf(tensor);
  };
  const truth = labelsOf(labels, output);
  const [smallScores, largeScores] = [scoresOf(small), scoresOf(others)];
  if (smallScores.length !== truth.length || truth.length < MIN_ROWS)
    throw usageFailure(
      `${samples.path} has ${truth.length} labels for ${smallScores.length} rows`,
      `give one for each, and ${MIN_ROWS} at least`,
    );
  const rows = truth.map((label, i) => ({
    value: measured(smallScores[i] ?? [], measure),
    isSmallRight: decisionOf(smallScores[i]) === label,
    isLargeRight: decisionOf(largeScores[i]) === label,
  }));
  const found = chooseThreshold(rows, { measure, tolerance });
  const answer = { measure, threshold: Number(found.threshold.toPrecision(6)), output: output.name };
  await printObject(run.output, run.globals.format, {
    raw: { answer, ...found },
    name: String(answer.threshold),
    describe: () => describe(found, answer, run.output.paint),
  });
  run.output.say("Put it into the deployment's `cascade.when`; nothing was changed.");
}

const modelPath = (model: string): string => `/v2/models/${encodeURIComponent(model)}`;

async function deploymentOf(api: ApiClient, name: string): Promise<Deployment> {
  return decode(deployment, (await api.get(`/api/v1/deployments/${encodeURIComponent(name)}`)).body, "a deployment");
}

function measureOf(text: string): DoubtMeasureName {
  const found = doubtMeasureName.safeParse(text);
  if (!found.success) throw usageFailure(`--measure is one of ${doubtMeasureName.options.join(", ")}`);
  return found.data;
}

function outputOf(outputs: readonly TensorSpec[], named: string | undefined): TensorSpec {
  const scored = scoredOutputs({ outputs }).map(({ name }) => name);
  const found = outputs.find(({ name }) => scored.includes(name) && (named === undefined || name === named));
  if (found === undefined)
    throw usageFailure(`the model has no output of scores; it has ${outputs.map(({ name }) => name).join(", ")}`);
  return found;
}

/** The place of each row's class among the scores: labels are places, or the classes that the model's file names. */
function labelsOf({ data }: NpyArray, { parameters }: TensorSpec): readonly number[] {
  const classes = parameters?.classes;
  return Array.from<unknown, number>(data, (label) => {
    if (classes === undefined) return Number(label);
    const at = classes.findIndex((each) => String(each) === String(label));
    return at === -1 ? Number(label) : at;
  });
}

/** The place of the largest score; of one score whether it is above the middle of two classes. */
function decisionOf(scores: readonly number[] = []): number {
  const [only = 0] = scores;
  if (scores.length === 1) return only > (only >= 0 && only <= 1 ? 0.5 : 0) ? 1 : 0;
  return scores.indexOf(Math.max(...scores));
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

function describe(
  { chosen, heldOut }: ChosenThreshold,
  { measure, threshold, output }: { readonly measure: string; readonly threshold: number; readonly output: string },
  paint: Style,
): string {
  const parts: readonly (CascadeFigures & { readonly part: string })[] = [
    { part: "chosen by", ...chosen },
    { part: "held out", ...heldOut },
  ];
  const table = renderTable(
    parts,
    [
      { header: "HALF", value: ({ part }) => part },
      { header: "ROWS", value: ({ rows }) => String(rows), align: "right" },
      { header: "ASKED OF LARGE", value: ({ escalated }) => percent(escalated), align: "right" },
      { header: "RIGHT", value: ({ right }) => percent(right), align: "right" },
      { header: "SMALL ALONE", value: ({ rightOfSmall }) => percent(rightOfSmall), align: "right" },
      { header: "LARGE ALONE", value: ({ rightOfLarge }) => percent(rightOfLarge), align: "right" },
    ],
    { wide: false, paint },
  );
  return `${table}\n\nanswer:\n  measure: ${measure}\n  threshold: ${threshold}\n  output: ${JSON.stringify(output)}`;
}
