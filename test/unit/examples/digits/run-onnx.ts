import { InferenceSession, Tensor } from "onnxruntime-node";
import { CLASS_COUNT, IMAGE_SIDE, PIXELS_PER_DIGIT } from "../../../../examples/digits/digit.ts";
import { INPUT, OUTPUT } from "../../../../examples/digits/export-onnx.ts";

/** Runs all images as one batch through ONNX Runtime; gives one row of probabilities per image. */
export async function runOnnx(model: Uint8Array, images: readonly Float32Array[]): Promise<Float32Array[]> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  try {
    const batch = new Float32Array(images.length * PIXELS_PER_DIGIT);
    images.forEach((image, i) => batch.set(image, i * PIXELS_PER_DIGIT));
    const shape = [images.length, 1, IMAGE_SIDE, IMAGE_SIDE];
    const answer = await session.run({ [INPUT.name]: new Tensor("float32", batch, shape) });
    const data = answer[OUTPUT.name]?.data;
    if (!(data instanceof Float32Array)) throw new Error("the model gave no FP32 probabilities");
    return images.map((_, i) => data.slice(i * CLASS_COUNT, (i + 1) * CLASS_COUNT));
  } finally {
    await session.release();
  }
}

/** The largest difference between two lists of equal length. */
export function largestDifference(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < one.length; i += 1) {
    largest = Math.max(largest, Math.abs((one[i] ?? NaN) - (other[i] ?? NaN)));
  }
  return largest;
}
