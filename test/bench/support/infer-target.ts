import { encodeRequest } from "../../../shared/inference/request.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import type { BenchModel } from "./bench-models.ts";
import type { HttpTarget } from "./http-load.ts";

export type Encoding = "json" | "binary";

/** One row for a model, as the load sends it again and again. `model`: the name under which it is asked for. */
export function inferTarget(
  { name, input, shape }: BenchModel,
  at: { readonly port: number; readonly key: string; readonly encoding?: Encoding; readonly model?: string },
): HttpTarget {
  const elements = shape.reduce((product, size) => product * size, 1);
  const data = Float32Array.from({ length: elements }, (_, i) => ((i * 7) % 256) / 255);
  const tensor = { name: input, datatype: "FP32" as const, shape: [1, ...shape], data };
  const binary = at.encoding !== "json";
  const { body, headerLength } = encodeRequest({ inputs: [{ tensor, binary }], binaryOutput: binary });
  const headers =
    headerLength === JSON_BODY
      ? { "content-type": "application/json" }
      : { "content-type": "application/octet-stream", "inference-header-content-length": String(headerLength) };
  return {
    port: at.port,
    path: `/v2/models/${at.model ?? name}/infer`,
    headers: { ...headers, authorization: `Bearer ${at.key}` },
    body,
  };
}
