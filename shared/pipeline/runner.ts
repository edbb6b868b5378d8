import type { Tensor } from "../inference/tensors/datatypes.ts";
import { invalid } from "../inference/faults.ts";
import type { PipelinePlan, PlannedStep } from "./plan.ts";
import { isStepFault, type Tools } from "./step.ts";
import type { StepMemory, StreamMemory } from "./stream/stream-memory.ts";
import type { Value, ValueOf } from "./values.ts";

interface BuiltStep {
  readonly place: string;
  readonly from: number;
  readonly to: number;
  readonly parts: PlannedStep["parts"];
  readonly run: (value: Value, memory?: StepMemory) => Value;
}

/** The values of one request, by their numbers in the plan. */
export type Values = Map<number, Value>;

/** Computes the steps of a plan before and behind its graphs. */
export class PipelineRunner {
  readonly #plan: PipelinePlan;
  readonly #pre: readonly BuiltStep[];
  readonly #decide: readonly BuiltStep[];

  constructor(plan: PipelinePlan, tools: Tools) {
    this.#plan = plan;
    this.#pre = buildSteps(plan.pre, tools);
    this.#decide = buildSteps(plan.decide, tools);
  }

  /** What the graphs take, of raw inputs in the plan's order. Throws `SkerryError` INVALID_REQUEST that names the step. */
  prepare(raw: readonly Tensor[], memory?: StreamMemory): readonly Tensor[] {
    const values: Values = new Map(raw.map(({ bytes = [] }, at) => [at, { kind: "bytes", elements: bytes }]));
    runSteps(this.#pre, values, memory);
    return this.#plan.graphInputs.map(({ spec, value }) => ({ name: spec.name, ...tensorAt(values, value) }));
  }

  /** The decision on what the graphs put out, which holds at least `neededOutputs`. Throws `SkerryError` INVALID_REQUEST that names the step. */
  decide(outputs: readonly Tensor[], memory?: StreamMemory): ValueOf<"decision"> {
    const { graphOutputs, decision = -1 } = this.#plan;
    const values: Values = new Map();
    for (const { spec, value } of graphOutputs) {
      const output = outputs.find(({ name }) => name === spec.name);
      if (output !== undefined) values.set(value, { kind: "tensor", ...output });
    }
    runSteps(this.#decide, values, memory);
    const decided = values.get(decision);
    if (decided?.kind !== "decision") throw new Error("the plan has no decision");
    return decided;
  }

  /** Names of the outputs by which it decides. */
  get neededOutputs(): readonly string[] {
    const froms = new Set(this.#decide.map(({ from }) => from));
    return this.#plan.graphOutputs.filter(({ value }) => froms.has(value)).map(({ spec }) => spec.name);
  }
}

/** Steps with what they compute beforehand, for `runSteps`. */
export const buildSteps = (steps: readonly PlannedStep[], tools: Tools): readonly BuiltStep[] =>
  steps.map(({ place, step, from, fromType, to, parts }) => ({
    place,
    from,
    to,
    parts,
    run: step.build(fromType, tools),
  }));

/** Adds what each step makes. Throws `SkerryError` INVALID_REQUEST that names the step. */
export function runSteps(steps: readonly BuiltStep[], values: Values, memory?: StreamMemory): void {
  for (const { place, from, to, parts, run } of steps) {
    const value = values.get(from);
    if (value === undefined) throw new Error(`${place}: value ${from} is not there yet`);
    try {
      const made = run(value, memory?.at(place));
      values.set(to, made);
      if (made.kind === "tensors") addParts(values, made.tensors, parts);
    } catch (error) {
      if (isStepFault(error)) throw invalid(`${place}: ${error.message}`);
      throw error;
    }
  }
}

function addParts(values: Values, tensors: ValueOf<"tensors">["tensors"], parts: PlannedStep["parts"]): void {
  for (const { name, to } of parts) {
    const tensor = tensors.get(name);
    if (tensor !== undefined) values.set(to, { kind: "tensor", ...tensor });
  }
}

/** A value that is a tensor, as the plan has checked. */
export function tensorAt(values: ReadonlyMap<number, Value>, number: number): Omit<Tensor, "name"> {
  const value = values.get(number);
  if (value?.kind !== "tensor") throw new Error(`value ${number} is no tensor`);
  const { datatype, shape, data } = value;
  return { datatype, shape, data };
}
