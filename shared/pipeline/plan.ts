import type { Stages } from "../protocol/stages.ts";
import type { TensorSpec } from "../protocol/model-files/manifest.ts";
import type { Step } from "./step.ts";
import type { ValueType } from "./values.ts";

/** A step in its place: the value that it takes, and the number of the one that it makes. */
export interface PlannedStep {
  readonly place: string;
  readonly step: Step;
  readonly from: number;
  readonly fromType: ValueType;
  readonly to: number;
  /** Of several tensors: their names, and the value that each is. */
  readonly parts: readonly { readonly name: string; readonly to: number }[];
}

/** A run of a graph. */
export interface PlannedModel {
  readonly place: string;
  readonly file: string;
  /** Its inputs, and the values that they take. */
  readonly feeds: readonly { readonly input: string; readonly from: number }[];
  /** Its outputs, and the values that they become. */
  readonly outputs: readonly { readonly output: string; readonly to: number }[];
}

/** A tensor between two phases: its name for a caller, and the value that it is. */
export interface Crossing {
  readonly spec: TensorSpec;
  readonly value: number;
}

/** A checked pipeline. Values have numbers: raw inputs come first, in their order. */
export interface PipelinePlan {
  readonly inputs: readonly string[];
  readonly pre: readonly PlannedStep[];
  /** What the graphs take and put out, as `skerry_stages: infer` has it. */
  readonly graphInputs: readonly Crossing[];
  readonly infer: readonly (PlannedStep | PlannedModel)[];
  readonly graphOutputs: readonly Crossing[];
  readonly decide: readonly PlannedStep[];
  /** The value that is the decision; undefined when nothing decides. */
  readonly decision: number | undefined;
  /** Names of the steps that decide. */
  readonly rule: string;
  readonly stages: readonly Stages[];
  /** Memory that its steps take beside its graphs, in MiB. */
  readonly roomMiB: number;
  /** A step keeps something of a stream from one request to the next. */
  readonly keepsState: boolean;
}

export const isPlannedModel = (each: PlannedStep | PlannedModel): each is PlannedModel => "feeds" in each;
