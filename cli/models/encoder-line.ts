import type { EncoderModel } from "../../shared/text/encoder-model.ts";

/** What an encoder makes of a text, in a line: `bert, 384 numbers, pooled by mean, of the length 1, of texts of up to 256 tokens`. */
export function encoderLine({
  architecture,
  dimensions,
  pooling,
  normalizes,
  maxTokens,
  shorter,
}: EncoderModel): string {
  const lengths = shorter === undefined ? "" : shorter === "any" ? " or fewer" : ` or ${shorter.join(", ")}`;
  const pooled = pooling === "sentence" ? "pooled by the graph" : `pooled by ${pooling}`;
  const length = normalizes ? ", of the length 1" : "";
  return `${architecture}, ${dimensions} numbers${lengths}, ${pooled}${length}, of texts of up to ${maxTokens} tokens`;
}
