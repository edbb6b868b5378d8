import path from "node:path";
import { DEFAULT_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import { type TextCapacity, textCapacity, textMemMiB } from "../../../shared/text/text-model.ts";
import { hostFailure } from "../../app/hosts/host-failure.ts";
import type { EncoderHostTask, HostTask, TextHostTask } from "../../model-host/link/link-frame.ts";
import type { HostSpec } from "../../ports/model-hosts.ts";

const ENTRY = path.join(import.meta.dirname, "../../model-host/main.ts");
const ENCODER_ENTRY = path.join(import.meta.dirname, "../../model-host/embed-main.ts");
const TEXT_ENTRY = path.join(import.meta.dirname, "../../model-host/text-main.ts");
/** Of all trials of growing size, in ms; and never more than one request may take. */
const TRIALS_MS = 2_000;
/** What many callers share in a run, or one sends at once, by the default of text encoders. */
const TRIED_ROWS = 32;

/** The program that serves the model, and what it is told at its start. */
export interface HostProgram {
  readonly entry: string;
  readonly task: HostTask | TextHostTask | EncoderHostTask;
}

/** `file`: what the runtime loads. `entry`: run as this program where the model is of tensors. Throws `HostFailure` OUT_OF_MEMORY. */
export function programOf(
  spec: HostSpec,
  file: string,
  {
    threads,
    entry = ENTRY,
    withoutTrials,
  }: { readonly threads: number; readonly entry: string | undefined; readonly withoutTrials: boolean },
): HostProgram {
  const { model, version, mayShare, startRoomMiB, tooLarge = [], defaults = [], samples, text, encoder, limits } = spec;
  if (text !== undefined) {
    const { decoder, vocabulary } = text.model;
    const directory = path.resolve(spec.directory);
    const task: TextHostTask = {
      model,
      version,
      file,
      threads,
      ...capacityOf(text, limits.memMiB),
      ...(decoder && { decoder: { directory, decoder, vocabulary } }),
    };
    return { entry: TEXT_ENTRY, task };
  }
  if (encoder !== undefined) return { entry: ENCODER_ENTRY, task: encoderTask(spec, encoder, file) };
  const budgetMs = Math.min(TRIALS_MS, limits.timeoutMs || DEFAULT_DEADLINE_MS);
  const task: HostTask = {
    model,
    version,
    file,
    ...(mayShare?.isShared === false && { noBatchReason: mayShare.reason }),
    ...(withoutTrials && { withoutTrials }),
    ...(startRoomMiB !== undefined && {
      growth: { maxRows: Math.max(TRIED_ROWS, limits.maxBatch), maxMiB: startRoomMiB, budgetMs },
    }),
    ...(tooLarge.length > 0 && { tooLarge }),
    ...(defaults.length > 0 && { defaults }),
    ...(spec.isPipeline === true && { pipeline: path.resolve(spec.directory) }),
    ...(samples !== undefined && { samples: path.resolve(spec.directory, samples) }),
  };
  return { entry, task };
}

function encoderTask(
  { model, version, directory, tooLarge = [] }: HostSpec,
  encoder: NonNullable<HostSpec["encoder"]>,
  file: string,
): EncoderHostTask {
  const { tokenizer, tokenizerSettings } = encoder;
  return {
    model,
    version,
    file,
    tokenizer: path.resolve(directory, tokenizer),
    tokenizerSettings: tokenizerSettings === undefined ? undefined : path.resolve(directory, tokenizerSettings),
    encoder,
    ...(tooLarge.length > 0 && { tooLarge }),
  };
}

/** Throws `HostFailure` OUT_OF_MEMORY. */
function capacityOf({ model, fileBytes }: NonNullable<HostSpec["text"]>, memMiB: number): TextCapacity {
  const capacity = textCapacity(model, fileBytes, memMiB);
  if (capacity) return capacity;
  throw hostFailure(
    "OUT_OF_MEMORY",
    `a limit of ${memMiB} MiB has no room for its weights and one request; ${textMemMiB(model, fileBytes)} MiB are usual`,
  );
}
