import { isDatatype } from "../inference/tensors/datatypes.ts";
import { shapeText } from "../inference/tensors/shape.ts";
import { hasDecide, STAGES } from "../protocol/stages.ts";
import type { TensorSpec } from "../protocol/model-files/manifest.ts";
import { MODEL_STEP, modelStepOf, type PipelineDocument, type StepEntry } from "./document.ts";
import { type Crossing, isPlannedModel, type PipelinePlan, type PlannedModel, type PlannedStep } from "./plan.ts";
import { STEP_KINDS } from "./registry.ts";
import { isStepFault, type Step, StepFault } from "./step.ts";
import { MAX_KEPT_BYTES } from "./stream/stream-memory.ts";
import { type TypeOf, typeText, type ValueType } from "./values.ts";

/** What a graph takes and puts out. */
export interface GraphSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/**
 * Checks a document against the signatures of its graphs, by the paths in the bundle. Throws `StepFault` that names the step and
 * what does not fit.
 */
export function planPipeline(document: PipelineDocument, graphs: ReadonlyMap<string, GraphSignature>): PipelinePlan {
  return new Planner(document, graphs).plan();
}

type Phase = "pre" | "infer" | "decide";
interface Known {
  readonly number: number;
  readonly type: ValueType;
  readonly phase: Phase;
  /** Of an output of a graph. */
  readonly output?: TensorSpec;
}

class Planner {
  readonly #document: PipelineDocument;
  readonly #graphs: ReadonlyMap<string, GraphSignature>;
  readonly #values: Known[] = [];
  readonly #named = new Map<string, Known>();
  readonly #graphInputs = new Map<string, Crossing>();
  readonly #pre: PlannedStep[] = [];
  readonly #infer: (PlannedStep | PlannedModel)[] = [];
  readonly #decide: PlannedStep[] = [];
  #current: Known | undefined;
  #keptBytes = 0;

  constructor(document: PipelineDocument, graphs: ReadonlyMap<string, GraphSignature>) {
    this.#document = document;
    this.#graphs = graphs;
  }

  plan(): PipelinePlan {
    const { inputs, steps } = this.#document;
    for (const { name } of inputs) {
      if (this.#named.has(name)) throw new StepFault(`the pipeline: two inputs are called ${name}`);
      this.#name(name, this.#add({ kind: "bytes" }, "pre"), "the pipeline");
    }
    this.#current = inputs.length === 1 ? this.#values[0] : undefined;
    const lastModel = steps.findLastIndex(({ kind }) => kind === MODEL_STEP);
    if (lastModel === -1) throw new StepFault("the pipeline: it has no model step");
    let phase: Phase = "pre";
    for (const [at, entry] of steps.entries()) {
      if (entry.kind === MODEL_STEP) {
        phase = "infer";
        this.#addModel(entry);
        if (at === lastModel) phase = "decide";
      } else this.#addStep(entry, phase);
    }
    return this.#planned(inputs.map(({ name }) => name));
  }

  #planned(inputs: readonly string[]): PipelinePlan {
    const decided = this.#decide.at(-1);
    const decision = decided === undefined ? undefined : this.#values[decided.to];
    if (decided !== undefined && decision?.type.kind !== "decision")
      throw new StepFault(
        `${decided.place}: the last step makes ${typeText(decided.fromType)}, and a decision is needed`,
      );
    const graphOutputs = this.#values.flatMap(({ output, number }) =>
      output ? [{ spec: output, value: number }] : [],
    );
    const kept = graphOutputs.filter(({ value }) => this.#isAnswered(value));
    return {
      inputs,
      pre: this.#pre,
      graphInputs: [...this.#graphInputs.values()],
      infer: this.#infer,
      graphOutputs: uniqueNames(kept),
      decide: this.#decide,
      decision: decision?.number,
      roomMiB: this.#pre.reduce((sum, { step }) => sum + step.roomMiB, 0),
      keepsState: this.#keptBytes > 0,
      rule: this.#decide.map(({ step }) => step.name).join(" → "),
      stages: STAGES.filter((stages) => decision !== undefined || !hasDecide(stages)),
    };
  }

  /** Outputs of the last graph, those of earlier ones that no later one takes, and what decides. */
  #isAnswered(value: number): boolean {
    if (this.#decide.some(({ from }) => from === value)) return true;
    return !this.#infer.some((each) =>
      isPlannedModel(each) ? each.feeds.some(({ from }) => from === value) : each.from === value,
    );
  }

  #addStep(entry: StepEntry, phase: Phase): void {
    const { place, kind, params, as } = entry;
    const step = STEP_KINDS.get(kind)?.with(params);
    if (step === undefined) throw new StepFault(`${place}: there is no such step`);
    if (step.phase === "decide" && phase !== "decide")
      throw new StepFault(`${place}: it decides by what a model puts out, and is before the last model`);
    if (step.phase === "pre" && phase === "decide")
      throw new StepFault(`${place}: it prepares what a model takes, and is behind the last model`);
    this.#addKept(place, step, phase);
    const from = this.#sourceOf(entry);
    if (phase !== "pre" && from.phase === "pre")
      throw new StepFault(`${place}: behind a model, a step takes what models put out`);
    const type = at(place, () => step.check(from.type));
    const made = this.#add(type, phase);
    const parts = type.kind === "tensors" ? this.#addParts(type, { place, phase, as }) : [];
    const planned = { place, step, from: from.number, fromType: from.type, to: made.number, parts };
    if (phase === "pre") this.#pre.push(planned);
    else if (phase === "infer") this.#infer.push(planned);
    else this.#decide.push(planned);
    this.#current = type.kind === "tensors" ? undefined : made;
    if (as !== undefined) this.#name(as, made, place);
  }

  /** Each of several tensors as a value with its name. */
  #addParts(
    { tensors }: TypeOf<"tensors">,
    { place, phase, as }: { readonly place: string; readonly phase: Phase; readonly as: string | undefined },
  ): PlannedStep["parts"] {
    if (as !== undefined)
      throw new StepFault(`${place}: as: its values are called ${Object.keys(tensors).join(", ")} already`);
    return Object.entries(tensors).map(([name, type]) => {
      const part = this.#add({ kind: "tensor", ...type }, phase);
      this.#name(name, part, place);
      return { name, to: part.number };
    });
  }

  /** What the steps keep of a stream together has a bound, which a document cannot leave to chance. */
  #addKept(place: string, { keptBytes }: Step, phase: Phase): void {
    if (keptBytes === 0) return;
    if (phase === "infer")
      throw new StepFault(
        `${place}: it keeps something of a stream, and is between models: put it before or behind them`,
      );
    this.#keptBytes += keptBytes;
    if (this.#keptBytes > MAX_KEPT_BYTES)
      throw new StepFault(
        `${place}: it may have to keep ${keptBytes} bytes of a stream, which with the steps before it is more than ${MAX_KEPT_BYTES}: fewer rows, columns or keys`,
      );
  }

  #sourceOf({ place, from }: StepEntry): Known {
    if (from !== undefined) return this.#valueOf(from, place);
    if (this.#current === undefined)
      throw new StepFault(`${place}: there are several values before it: name one with \`from\`: ${this.#names()}`);
    return this.#current;
  }

  #addModel(entry: StepEntry): void {
    const { place, from, as } = entry;
    const { file, inputs: mapped } = modelStepOf(entry);
    if (from !== undefined || as !== undefined)
      throw new StepFault(`${place}: a model names its values in \`inputs\`, and its outputs have names already`);
    const graph = this.#graphs.get(file);
    if (graph === undefined) throw new StepFault(`${place}: ${file} is not a graph of the bundle`);
    const unknown = Object.keys(mapped).find((name) => !graph.inputs.some((input) => input.name === name));
    if (unknown !== undefined)
      throw new StepFault(`${place}: inputs: ${file} has no input "${unknown}"; it has ${namesOf(graph.inputs)}`);
    const feeds = graph.inputs
      .filter(({ parameters, name }) => parameters?.optional !== true || mapped[name] !== undefined)
      .map((input) => ({ input: input.name, from: this.#feed(place, input, { graph, source: mapped[input.name] }) }));
    const outputs = graph.outputs.map((spec) => {
      const known = this.#add(tensorOf(spec, place), "infer", spec);
      this.#named.set(spec.name, known);
      return { output: spec.name, to: known.number };
    });
    this.#infer.push({ place, file, feeds, outputs });
    const [only, ...more] = outputs;
    this.#current = only !== undefined && more.length === 0 ? this.#values[only.to] : undefined;
  }

  /** The value that an input of a graph takes. */
  #feed(
    place: string,
    input: TensorSpec,
    { graph, source }: { readonly graph: GraphSignature; readonly source: string | undefined },
  ): number {
    const own = this.#named.get(input.name);
    const alone = graph.inputs.length === 1 ? this.#current : undefined;
    const known = source !== undefined ? this.#valueOf(source, place) : (alone ?? own);
    if (known === undefined)
      throw new StepFault(
        `${place}: nothing is called ${input.name}: name its value in \`inputs\`; there are ${this.#names()}`,
      );
    const why = whyUnfit(known.type, input);
    if (why !== undefined) throw new StepFault(`${place}: input "${input.name}" ${why}`);
    if (known.phase === "pre") {
      const other = this.#graphInputs.get(input.name);
      if (other !== undefined && other.value !== known.number)
        throw new StepFault(`${place}: another model has an input "${input.name}" with another value`);
      this.#graphInputs.set(input.name, { spec: input, value: known.number });
    }
    return known.number;
  }

  #valueOf(name: string, place: string): Known {
    const known = this.#named.get(name);
    if (known === undefined)
      throw new StepFault(`${place}: nothing before it is called ${name}; there are ${this.#names()}`);
    return known;
  }

  #names(): string {
    return [...this.#named.keys()].join(", ");
  }

  #add(type: ValueType, phase: Phase, output?: TensorSpec): Known {
    const known: Known = { number: this.#values.length, type, phase, ...(output && { output }) };
    this.#values.push(known);
    return known;
  }

  #name(name: string, known: Known, place: string): void {
    if (this.#named.has(name)) throw new StepFault(`${place}: as: ${name} is the name of another value`);
    this.#named.set(name, known);
  }
}

function tensorOf({ name, datatype, shape, parameters }: TensorSpec, place: string): TypeOf<"tensor"> {
  if (!isDatatype(datatype)) throw new StepFault(`${place}: output "${name}" has the datatype ${datatype}`);
  return { kind: "tensor", datatype, shape, classes: parameters?.classes?.map(String) };
}

function whyUnfit(type: ValueType, { datatype, shape }: TensorSpec): string | undefined {
  const takes = `takes ${datatype} ${shapeText(shape)}, and is given ${typeText(type)}`;
  if (type.kind !== "tensor" || type.datatype !== datatype) return takes;
  if (shape.length === 0) return undefined;
  const fits =
    shape.length === type.shape.length &&
    shape.every((size, i) => size === -1 || type.shape[i] === -1 || size === type.shape[i]);
  return fits ? undefined : takes;
}

function uniqueNames(crossings: readonly Crossing[]): readonly Crossing[] {
  const names = crossings.map(({ spec }) => spec.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new StepFault(`the pipeline: two models put out "${twice}", and no other model takes one of them`);
  return crossings;
}

function at<Result>(place: string, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (isStepFault(error)) throw new StepFault(`${place}: ${error.message}`);
    throw error;
  }
}

const namesOf = (specs: readonly TensorSpec[]): string => specs.map(({ name }) => `"${name}"`).join(", ");
