import type { StepKind } from "./step.ts";
import { aggregate } from "./steps/aggregate/aggregate.ts";
import { streamAggregate } from "./steps/aggregate/stream-aggregate.ts";
import { argmax } from "./steps/decide/argmax.ts";
import { band } from "./steps/decide/band.ts";
import { hysteresis } from "./steps/decide/hysteresis.ts";
import { nms } from "./steps/decide/nms.ts";
import { rules } from "./steps/decide/rules.ts";
import { threshold } from "./steps/decide/threshold.ts";
import { topK } from "./steps/decide/top-k.ts";
import { decodeImage } from "./steps/decode/decode-image.ts";
import { clamp } from "./steps/clean/clamp.ts";
import { dedupe } from "./steps/clean/dedupe.ts";
import { missing } from "./steps/clean/missing.ts";
import { outliers } from "./steps/clean/outliers.ts";
import { decodeCsv } from "./steps/decode/decode-csv.ts";
import { decodeJson } from "./steps/decode/decode-json.ts";
import { decodeWav } from "./steps/decode/decode-wav.ts";
import { columns } from "./steps/transform/columns.ts";
import { crop } from "./steps/transform/crop.ts";
import { fft } from "./steps/transform/fft.ts";
import { fixLength } from "./steps/transform/fix-length.ts";
import { layout } from "./steps/transform/layout.ts";
import { mel } from "./steps/transform/mel.ts";
import { normalise } from "./steps/transform/normalise.ts";
import { oneHot } from "./steps/transform/one-hot.ts";
import { resize } from "./steps/transform/resize.ts";
import { standardise } from "./steps/transform/standardise.ts";
import { tokenise } from "./steps/transform/tokenise.ts";
import { vocabulary } from "./steps/transform/vocabulary.ts";
import { window } from "./steps/transform/window.ts";

/** Every step there is but `model`, which is no computation of its own. A further one has a row here and its own file. */
const KINDS: readonly StepKind[] = [
  decodeImage,
  decodeWav,
  decodeCsv,
  decodeJson,
  missing,
  clamp,
  dedupe,
  outliers,
  resize,
  crop,
  normalise,
  layout,
  columns,
  standardise,
  oneHot,
  vocabulary,
  tokenise,
  window,
  aggregate,
  streamAggregate,
  fixLength,
  fft,
  mel,
  argmax,
  threshold,
  topK,
  band,
  hysteresis,
  rules,
  nms,
];

export const STEP_KINDS: ReadonlyMap<string, StepKind> = new Map(KINDS.map((kind) => [kind.name, kind]));
