import FFT from "fft.js";
import type { RealFft } from "../../../shared/pipeline/step.ts";

/** By fft.js (MIT), radix 4, in FP64. */
export function realFft(size: number): RealFft {
  const transform = new FFT(size);
  const out = new Float64Array(2 * size);
  return (real) => {
    transform.realTransform(out, real);
    return out;
  };
}
