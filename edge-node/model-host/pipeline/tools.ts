import path from "node:path";
import type { PipelinePlan } from "../../../shared/pipeline/plan.ts";
import type { Tools } from "../../../shared/pipeline/step.ts";

/** The libraries that the steps of a plan need, each loaded only when one of them does. `directory`: of the bundle. */
export async function openTools({ pre, infer }: PipelinePlan, directory: string): Promise<Tools> {
  const steps = new Set([...pre, ...infer].map((each) => ("step" in each ? each.step.name : "")));
  const pictures = steps.has("decode-image") ? await (await import("./picture-decoders.ts")).openDecoders() : undefined;
  const csv = steps.has("decode-csv") ? await import("./csv.ts") : undefined;
  const fft = steps.has("fft") || steps.has("mel") ? await import("./fft.ts") : undefined;
  const tokens = steps.has("tokenise") ? await import("../embed/tokenizer.ts") : undefined;
  return {
    decodeJpeg: (bytes, form) => (pictures ?? missing("JPEG")).decodeJpeg(bytes, form),
    decodePng: (bytes) => (pictures ?? missing("PNG")).decodePng(bytes),
    parseCsv: (text, delimiter) => (csv ?? missing("CSV")).parseCsv(text, delimiter),
    realFft: (size) => (fft ?? missing("transforms")).realFft(size),
    openTokenizer: (file) => (tokens ?? missing("tokens")).openTokenizer(path.join(directory, file)),
  };
}

function missing(what: string): never {
  throw new Error(`no step of this pipeline said that it needs ${what}`);
}
