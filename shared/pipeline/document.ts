import { z } from "zod";
import { pathFault } from "../protocol/model-files/bundle.ts";
import { STEP_KINDS } from "./registry.ts";
import { StepFault } from "./step.ts";

/** `pipeline.yaml`: what becomes of raw data until it is a decision. The schema of the whole; each step's own is in its file. */

export const MAX_PIPELINE_BYTES = 262_144;
const MAX_STEPS = 64;
const MAX_INPUTS = 16;

const name = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/, "a name begins with a letter and has letters, digits, `_`, `.` and `-`");
const tensorName = z.string().min(1).max(256);

const modelStep = z.strictObject({
  /** Path of a graph in the bundle. */
  file: z.string().check((context) => {
    const fault = pathFault(context.value);
    if (fault !== undefined) context.issues.push({ code: "custom", message: fault, input: context.value });
  }),
  /**
   * Input of the graph → the value that it takes. One that is left out takes the value of its own name, and the only input of a
   * graph the value before it.
   */
  inputs: z.record(tensorName, tensorName).default({}),
});
export type ModelStep = z.infer<typeof modelStep>;

const frame = z.strictObject({
  /** The format of this document. */
  pipeline: z.literal(1, "write `pipeline: 1`, the only format there is"),
  inputs: z.array(z.strictObject({ name })).min(1).max(MAX_INPUTS),
  steps: z.array(z.unknown()).min(1).max(MAX_STEPS),
});

/** A step as the document has it: which kind, its parameters, and how its value is called. */
export interface StepEntry {
  /** Where it is, for every complaint: `steps[2].resize`. */
  readonly place: string;
  readonly kind: string;
  readonly params: unknown;
  /** The value that it takes; undefined: that of the step before it. */
  readonly from: string | undefined;
  /** A further name of its value. */
  readonly as: string | undefined;
}

export interface PipelineDocument {
  readonly inputs: readonly { readonly name: string }[];
  readonly steps: readonly StepEntry[];
}

export const MODEL_STEP = "model";

/** Reads a parsed document. Throws `StepFault` that names the first mistake and its place. */
export function readDocument(value: unknown): PipelineDocument {
  const { inputs, steps } = fitting(frame, value, "the pipeline");
  return { inputs, steps: steps.map(stepEntry) };
}

/**
 * Reads a parsed document that is to be published: a field that would do nothing is a mistake, too. Model hosts read without that, so
 * that a version which was published before a field was refused goes on.
 */
export function readNewDocument(value: unknown): PipelineDocument {
  const document = readDocument(value);
  for (const { kind, params, place } of document.steps) {
    const idle = STEP_KINDS.get(kind)?.with(params).idleField;
    if (idle !== undefined) throw new StepFault(`${place}: ${idle}`);
  }
  return document;
}

const around = { from: tensorName.optional(), as: name.optional() };

function stepEntry(value: unknown, at: number): StepEntry {
  const where = `steps[${at}]`;
  const given = fitting(z.record(z.string(), z.unknown()), value, where);
  const kinds = Object.keys(given).filter((key) => !Object.hasOwn(around, key));
  const [kind, ...more] = kinds;
  if (kind === undefined || more.length > 0)
    throw new StepFault(
      `${where}: a step is one of ${known()}, beside \`from\` and \`as\`; this one has ${kinds.length === 0 ? "none" : kinds.join(" and ")}`,
    );
  if (kind !== MODEL_STEP && !STEP_KINDS.has(kind))
    throw new StepFault(`${where}: there is no step ${kind.slice(0, 40)}; there are ${known()}`);
  const { [kind]: params, ...names } = given;
  const place = `${where}.${kind}`;
  const { from, as } = fitting(z.strictObject(around), names, place);
  const schema = kind === MODEL_STEP ? modelStep : STEP_KINDS.get(kind)?.params;
  if (schema !== undefined) fitting(schema, params ?? {}, place);
  return { place, kind, params: params ?? {}, from, as };
}

const known = (): string => [...STEP_KINDS.keys(), MODEL_STEP].join(", ");

/** Parameters of a `model` step. */
export const modelStepOf = ({ params, place }: StepEntry): ModelStep => fitting(modelStep, params, place);

/** Paths of the graphs that a document names, each once. */
export const modelFilesOf = ({ steps }: PipelineDocument): readonly string[] => [
  ...new Set(steps.filter(({ kind }) => kind === MODEL_STEP).map((step) => modelStepOf(step).file)),
];

/** Paths of all files that a document names beside itself, each once: its graphs, and what its steps read when they are built. */
export const bundleFilesOf = (document: PipelineDocument): readonly string[] => [
  ...new Set([...modelFilesOf(document), ...stepFilesOf(document)]),
];

/** Paths of the files that its steps need, each once. */
export const stepFilesOf = ({ steps }: PipelineDocument): readonly string[] => [
  ...new Set(steps.flatMap(({ kind, params }) => STEP_KINDS.get(kind)?.with(params).files ?? [])),
];

function fitting<Value>(schema: z.ZodType<Value>, value: unknown, place: string): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join(".") ?? "";
  throw new StepFault(
    `${place}: ${field === "" ? "" : `${field}: `}${issue?.message ?? "it does not fit"}`.slice(0, 500),
  );
}
