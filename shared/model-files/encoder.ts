import {
  CONFIG_FILE,
  MODULES_FILE,
  PROMPTS_FILE,
  TOKENIZER_FILE,
  TOKENIZER_SETTINGS_FILE,
  TRANSFORMER_FILES,
} from "../text/encoder-files.ts";
import { graphNames } from "./external-locations.ts";
import { listed, type ModelFolder, nameOf, unfit } from "./folder.ts";

/** What describes an encoder, wherever in its folder. */
const DESCRIPTIONS = new Set([
  MODULES_FILE,
  CONFIG_FILE,
  TOKENIZER_FILE,
  TOKENIZER_SETTINGS_FILE,
  PROMPTS_FILE,
  ...TRANSFORMER_FILES,
]);
const INPUTS = new Set(["input_ids", "attention_mask", "token_type_ids"]);
const OUTPUTS = ["last_hidden_state", "token_embeddings", "sentence_embedding"];
/** Where exporters put the graph, the usual one first. */
const USUAL = /^(0_Transformer\/)?(onnx\/)?model\.onnx$/;

interface FoundEncoder {
  /** Path of the graph in the folder. */
  readonly graph: string;
  /** Paths of what describes it. */
  readonly beside: readonly string[];
  readonly notes: readonly string[];
}

/**
 * The graph of a model that makes embeddings and what describes it: a folder of sentence-transformers, or an export for
 * feature extraction with its tokenizer. Undefined for any other folder. Throws `UnfitModel` when it cannot tell which graph.
 */
export function findEncoder(folder: ModelFolder, named: string | undefined): FoundEncoder | undefined {
  const { root, paths } = folder;
  const hasTokenizer = paths.some((path) => nameOf(path) === TOKENIZER_FILE);
  const isDescribed = paths.includes(MODULES_FILE);
  if (!hasTokenizer || !(isDescribed || paths.includes(CONFIG_FILE))) return undefined;
  const graphs = paths.filter((path) => path.endsWith(".onnx"));
  const graph = named ?? graphs.find((path) => USUAL.test(path)) ?? (graphs.length === 1 ? graphs[0] : undefined);
  if (graph === undefined && isDescribed && graphs.length > 1)
    throw unfit(
      `${root} is a model of sentence-transformers with several graphs`,
      `none of them is called model.onnx: ${listed(graphs)}`,
      `name the graph with --main, for example --main ${graphs[0] ?? ""}`,
    );
  if (graph === undefined || !graphs.includes(graph)) return undefined;
  if (!isDescribed && !isEncoder(folder, graph)) return undefined;
  const beside = paths.filter((path) => DESCRIPTIONS.has(nameOf(path)));
  const others = graphs.filter((path) => path !== graph);
  const kind = isDescribed ? "a model of sentence-transformers" : "an export of an encoder with its tokenizer";
  return {
    graph,
    beside,
    notes: [
      `${root} is ${kind}: ${graph} is pushed with what describes it, to make embeddings.`,
      ...(others.length === 0 ? [] : [`Not sent, as they are other graphs: ${listed(others)}.`]),
    ],
  };
}

/** It takes tokens and puts out vectors. A decoder takes its cache, too; a classifier puts out scores. */
function isEncoder(folder: ModelFolder, graph: string): boolean {
  const { inputs, outputs } = graphNames(folder, graph);
  return (
    inputs.includes("input_ids") &&
    inputs.every((name) => INPUTS.has(name)) &&
    outputs.some((name) => OUTPUTS.includes(name))
  );
}
