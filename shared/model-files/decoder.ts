import { CONFIG_FILE, TOKENIZER_FILE, TOKENIZER_SETTINGS_FILE } from "../text/encoder-files.ts";
import { GENERATION_FILE, TEMPLATE_FILE } from "../text/decoder-files.ts";
import { graphNames } from "./external-locations.ts";
import { listed, type ModelFolder, nameOf, unfit } from "./folder.ts";

/** What describes a decoder, in the folder or beside its graph. */
const DESCRIPTIONS = new Set([CONFIG_FILE, GENERATION_FILE, TOKENIZER_FILE, TOKENIZER_SETTINGS_FILE, TEMPLATE_FILE]);
/** Where exporters put the graph. */
const USUAL = /^(onnx\/)?(model|decoder_model_merged|decoder_with_past_model)\.onnx$/;

interface FoundDecoder {
  /** Path of the graph in the folder. */
  readonly graph: string;
  /** Paths of what describes it. */
  readonly beside: readonly string[];
  readonly notes: readonly string[];
}

/**
 * The graph of a model that writes text and what describes it: an export of a decoder with its cache. Undefined for any other
 * folder. Throws `UnfitModel` when it cannot tell which graph.
 */
export function findDecoder(folder: ModelFolder, named: string | undefined): FoundDecoder | undefined {
  const { root, paths } = folder;
  const hasTokenizer = paths.some((path) => nameOf(path) === TOKENIZER_FILE);
  const hasConfig = paths.some((path) => nameOf(path) === CONFIG_FILE);
  if (!hasTokenizer || !hasConfig) return undefined;
  const graphs = paths.filter((path) => path.endsWith(".onnx"));
  if (named !== undefined && !graphs.includes(named)) return undefined;
  const decoders = (named === undefined ? graphs : [named]).filter((path) => isDecoder(folder, path));
  const graph = decoders.find((path) => USUAL.test(path)) ?? (decoders.length === 1 ? decoders[0] : undefined);
  if (graph === undefined && decoders.length > 1)
    throw unfit(
      `${root} is an export of a decoder in several variants`,
      `none of them is called model.onnx: ${listed(decoders)}`,
      `name the graph with --main, for example --main ${decoders[0] ?? ""}`,
    );
  if (graph === undefined) return undefined;
  const prefix = graph.slice(0, graph.lastIndexOf("/") + 1);
  const beside = paths.filter(
    (path) => DESCRIPTIONS.has(nameOf(path)) && ["", prefix].includes(path.slice(0, path.lastIndexOf("/") + 1)),
  );
  const others = graphs.filter((path) => path !== graph);
  return {
    graph,
    beside,
    notes: [
      `${root} is an export of a decoder with its tokenizer: ${graph} is pushed with what describes it, to write text.`,
      ...(others.length === 0 ? [] : [`Not sent, as they are other graphs: ${listed(others)}.`]),
    ],
  };
}

/** It takes tokens and a cache, and puts out logits. */
export function isDecoder(folder: ModelFolder, graph: string): boolean {
  const { inputs, outputs } = graphNames(folder, graph);
  return inputs.includes("input_ids") && inputs.includes("past_key_values.0.key") && outputs.includes("logits");
}
