import type { TensorSpec } from "../../../../shared/protocol/model-files/manifest.ts";
import { type DecoderModel, pastInputs, presentOutputs } from "../../../../shared/text/decoder-model.ts";
import { InspectionRefused, quote } from "../inspection-refused.ts";

const IDS = "input_ids";
const MASK = "attention_mask";
const LOGITS = "logits";
const FURTHER = ["position_ids", "num_logits_to_keep"] as const;

/** What the graph of a decoder takes and puts out. */
interface DecoderGraph extends Pick<DecoderModel, "inputs" | "layers" | "heads" | "headSize" | "cacheType"> {
  /** Numbers of a row of logits; undefined when the graph does not say. */
  readonly vocabulary: number | undefined;
}

/** Throws `InspectionRefused` for a graph that is none with its cache as tensors, in the names of optimum's exports. */
export function decoderGraphOf({
  inputs,
  outputs,
}: {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}): DecoderGraph {
  const layers = inputs.filter(({ name }) => /^past_key_values\.\d+\.key$/.test(name)).length;
  if (layers === 0)
    throw new InspectionRefused(
      `the graph takes ${inputs
        .map(({ name }) => quote(name))
        .join(", ")
        .slice(
          0,
          200,
        )} and no cache (past_key_values.0.key …): export it with optimum-cli export onnx --task text-generation-with-past`,
    );
  const pasts = new Set(pastInputs(layers));
  for (const { name, datatype, shape } of inputs) {
    if (pasts.has(name)) continue;
    if (name === "use_cache_branch")
      throw new InspectionRefused(
        "the graph takes use_cache_branch, as older exports in two branches do: export it again with a newer optimum",
      );
    const isKnown = name === IDS || name === MASK || FURTHER.some((known) => known === name);
    if (!isKnown) throw new InspectionRefused(`the graph takes ${quote(name)}, which is not served`);
    if (datatype !== "INT64") throw new InspectionRefused(`its input ${name} has the datatype ${datatype}, not INT64`);
    if (name !== "num_logits_to_keep" && (shape.length !== 2 || shape.some((size) => size !== -1)))
      throw new InspectionRefused(
        `its input ${name} has the shape [${shape.join(", ")}]: export it with variable sizes, [texts, tokens]`,
      );
    if (name === "num_logits_to_keep" && shape.length !== 0)
      throw new InspectionRefused(`its input ${name} has the shape [${shape.join(", ")}], not []`);
  }
  const byName = new Map(inputs.map((each) => [each.name, each]));
  for (const needed of [IDS, MASK])
    if (!byName.has(needed)) throw new InspectionRefused(`the graph takes no ${needed}`);
  const cache = cacheOf(pasts, byName);
  const outputsByName = new Map(outputs.map((each) => [each.name, each]));
  const lacking = [LOGITS, ...presentOutputs(layers)].find((name) => !outputsByName.has(name));
  if (lacking !== undefined) throw new InspectionRefused(`the graph puts out no ${lacking}`);
  const { datatype, shape } = outputsByName.get(LOGITS) ?? { datatype: "", shape: [] };
  if ((datatype !== "FP32" && datatype !== "FP16") || shape.length !== 3)
    throw new InspectionRefused(
      `its output ${LOGITS} is ${datatype} [${shape.join(", ")}], not FP32 or FP16 in 3 dimensions: [texts, tokens, vocabulary]`,
    );
  const width = shape[2] ?? -1;
  return {
    inputs: FURTHER.filter((name) => byName.has(name)),
    layers,
    ...cache,
    vocabulary: width < 1 ? undefined : width,
  };
}

/** All layers have the same cache: `[texts, heads, tokens, numbers]`. */
function cacheOf(
  names: ReadonlySet<string>,
  inputs: ReadonlyMap<string, TensorSpec>,
): Pick<DecoderModel, "heads" | "headSize" | "cacheType"> {
  let found: TensorSpec | undefined;
  for (const name of names) {
    const input = inputs.get(name);
    if (input === undefined) throw new InspectionRefused(`the graph takes no ${name}, and other layers have one`);
    const { shape, datatype } = input;
    if (shape.length !== 4 || shape[0] !== -1 || shape[2] !== -1 || (shape[1] ?? 0) < 1 || (shape[3] ?? 0) < 1)
      throw new InspectionRefused(
        `its input ${name} has the shape [${shape.join(", ")}], not [texts, heads, tokens, numbers] with a fixed number of heads and numbers`,
      );
    found ??= input;
    if (found.shape.join() !== shape.join() || found.datatype !== datatype)
      throw new InspectionRefused(`its cache differs from layer to layer (${name}), which is not served`);
  }
  const [, heads = 0, , headSize = 0] = found?.shape ?? [];
  const cacheType = found?.datatype;
  if (cacheType !== "FP32" && cacheType !== "FP16")
    throw new InspectionRefused(`its cache has the datatype ${cacheType ?? "?"}, not FP32 or FP16`);
  return { heads, headSize, cacheType };
}
