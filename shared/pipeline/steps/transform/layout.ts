import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import type { TypeOf } from "../../values.ts";

const ORDERS = ["NCHW", "NHWC", "flat"] as const;
const params = z.strictObject({
  /** Of the result. `flat`: [pictures, height × width × channels]. */
  order: z.enum(ORDERS),
});
type Order = z.infer<typeof params>["order"];

/** FP32 [N, height, width, channels] → the order in which the model takes it. Values stay. */
export const layout = defineStep({
  name: "layout",
  phase: "pre",
  takes: ["tensor"],
  params,
  check: ({ datatype, shape }, { order }): TypeOf<"tensor"> => {
    if (datatype !== "FP32" || shape.length !== 4)
      throw new StepFault("takes FP32 [N, height, width, channels], as normalise makes it");
    return { kind: "tensor", datatype, shape: ordered(shape, order) };
  },
  build:
    (_type, { order }) =>
    ({ datatype, shape, data }) => ({
      kind: "tensor",
      datatype,
      shape: ordered(shape, order),
      data: order === "NCHW" && data instanceof Float32Array ? channelsFirst(data, shape) : data,
    }),
});

function ordered([n = 0, height = 0, width = 0, channels = 0]: readonly number[], order: Order): readonly number[] {
  if (order === "NHWC") return [n, height, width, channels];
  return order === "NCHW" ? [n, channels, height, width] : [n, height * width * channels];
}

function channelsFirst(
  data: Float32Array,
  [n = 0, height = 0, width = 0, channels = 0]: readonly number[],
): Float32Array {
  if (channels === 1) return data;
  const pixels = height * width;
  const out = new Float32Array(data.length);
  for (let picture = 0; picture < n; picture += 1)
    for (let channel = 0; channel < channels; channel += 1) {
      const to = (picture * channels + channel) * pixels;
      const from = picture * pixels * channels + channel;
      for (let pixel = 0; pixel < pixels; pixel += 1) out[to + pixel] = data[from + pixel * channels] ?? 0;
    }
  return out;
}
