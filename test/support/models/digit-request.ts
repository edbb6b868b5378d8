import { readDigitSamples } from "../../../examples/digits/samples.ts";

/** The digits samples as Open Inference Protocol bodies, with the digit that each one shows. */
export const digitRequests = (): readonly { readonly label: number; readonly body: object }[] =>
  readDigitSamples().map(({ label, pixels }) => ({
    label,
    body: { inputs: [{ name: "image", datatype: "FP32", shape: [1, 1, 28, 28], data: [...pixels] }] },
  }));

/** The most probable digit of an answer's only output. */
export function digitOf(answer: unknown): number {
  const { outputs } = answer as { outputs: { data: number[] }[] };
  const probabilities = outputs[0]?.data ?? [];
  return probabilities.indexOf(Math.max(...probabilities));
}
