import type { z } from "zod";
import type { TextTokenizer } from "../text/text-tokenizer.ts";
import { type StepMemory, StreamMemory } from "./stream/stream-memory.ts";
import type { Kind, TypeOf, Value, ValueOf, ValueType } from "./values.ts";
import type { Picture } from "./values.ts";

/** Why a step does not fit, or refuses a value. Who catches it puts the step's place before it. Recognised by `name`. */
export class StepFault extends Error {
  override readonly name = "StepFault";
}

export const isStepFault = (error: unknown): error is StepFault => Error.isError(error) && error.name === "StepFault";

/** What becomes of a JPEG file. */
export interface JpegForm {
  /** Edges of the file, as its header says, divided by 1, 2, 4 or 8 and rounded up. */
  readonly width: number;
  readonly height: number;
  /** Red, green and blue, or luma alone. */
  readonly channels: 1 | 3;
  /** The header's edges. */
  readonly of: { readonly width: number; readonly height: number };
}

/** What steps need from libraries. All of it computes at once, on what it is given alone. */
export interface Tools {
  /** Throws for what is no such file, or one of other edges. */
  readonly decodeJpeg: (bytes: Uint8Array, form: JpegForm) => Picture;
  /** The picture with red, green, blue and alpha. Throws for what is no such file. */
  readonly decodePng: (bytes: Uint8Array) => Picture;
  /** Cells of CSV, line by line. Throws for what is none, or has lines of different lengths. */
  readonly parseCsv: (text: string, delimiter: string) => readonly (readonly string[])[];
  /** Of real numbers; `size` is a power of two. */
  readonly realFft: (size: number) => RealFft;
  /** By a `tokenizer.json` of the bundle. Throws for one that cannot be read. */
  readonly openTokenizer: (file: string) => TextTokenizer;
}

/** Real and imaginary part of each frequency from 0 to half, side by side. What it returns holds until the next call. */
export type RealFft = (real: Float64Array) => Float64Array;

/** A step with its parameters: what it makes of a type, and of values of that type. */
export interface Step {
  readonly name: string;
  readonly phase: Phase;
  /** Memory that it takes at most beside its value, in MiB. */
  readonly roomMiB: number;
  /** Paths of the files of the bundle that it needs. */
  readonly files: readonly string[];
  /** Bytes that it keeps of a stream at most between two requests; 0: nothing. */
  readonly keptBytes: number;
  /** The field that would do nothing beside the others, and why; undefined: each does something. */
  readonly idleField: string | undefined;
  /** Throws `StepFault` when it cannot take values of the type. */
  check(from: ValueType): ValueType;
  /**
   * Takes values of the type. What it returns throws `StepFault` for a value that it refuses. Without a memory the request is a
   * stream of its own.
   */
  build(from: ValueType, tools: Tools): (value: Value, memory?: StepMemory) => Value;
}

/** `pre`: before the last model; `decide`: after it. */
export type Phase = "pre" | "decide";

export interface StepKind {
  readonly name: string;
  readonly phase: Phase;
  readonly params: z.ZodType;
  with(params: unknown): Step;
}

/** One kind of step: the schema of its parameters, what it makes of a type, and how it computes. */
export function defineStep<Params, From extends Kind, To extends Kind>(kind: {
  readonly name: string;
  readonly phase: Phase;
  readonly takes: readonly From[];
  readonly params: z.ZodType<Params>;
  /** Memory that it takes at most beside its value, in MiB; left out: next to none. */
  roomMiB?(params: Params): number;
  /** Paths of the files of the bundle that it needs; left out: none. */
  files?(params: Params): readonly string[];
  /** Bytes that it keeps of a stream at most; left out: it keeps nothing. */
  keptBytes?(params: Params): number;
  /** The field that would do nothing beside the others, and why: it is refused when a document is published. Left out: there is none. */
  idleField?(params: Params): string | undefined;
  check(type: TypeOf<From>, params: Params): TypeOf<To>;
  build(type: TypeOf<From>, params: Params, tools: Tools): (value: ValueOf<From>, memory: StepMemory) => ValueOf<To>;
}): StepKind {
  const { name, phase, takes } = kind;
  const isTaken = (given: { readonly kind: Kind }): boolean => takes.some((each) => each === given.kind);
  const refuse = ({ kind: given }: { readonly kind: Kind }): StepFault =>
    new StepFault(`takes ${takes.join(" or ")}, and is given ${given}`);
  const isType = (type: ValueType): type is TypeOf<From> => isTaken(type);
  const isValue = (value: Value): value is ValueOf<From> => isTaken(value);
  return {
    name,
    phase,
    params: kind.params,
    with: (given) => {
      const params = kind.params.parse(given);
      return {
        name,
        phase,
        roomMiB: kind.roomMiB?.(params) ?? 0,
        files: kind.files?.(params) ?? [],
        keptBytes: kind.keptBytes?.(params) ?? 0,
        idleField: kind.idleField?.(params),
        check: (type) => {
          if (!isType(type)) throw refuse(type);
          return kind.check(type, params);
        },
        build: (type, tools) => {
          if (!isType(type)) throw refuse(type);
          const run = kind.build(type, params, tools);
          return (value, memory = new StreamMemory().at(name)) => {
            if (!isValue(value)) throw refuse(value);
            return run(value, memory);
          };
        },
      };
    },
  };
}
