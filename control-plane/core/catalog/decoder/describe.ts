import {
  CONFIG_FILE,
  TOKENIZER_FILE,
  TOKENIZER_SETTINGS_FILE,
  type TokenizerFile,
  tokenizerFile,
} from "../../../../shared/text/encoder-files.ts";
import {
  type DecoderConfig,
  decoderConfigFile,
  decoderTokenizerFile,
  GENERATION_FILE,
  generationFile,
  TEMPLATE_FILE,
} from "../../../../shared/text/decoder-files.ts";
import { type TextModel, textModel } from "../../../../shared/text/text-model.ts";
import { type DescribedFolder, Descriptions, fitting, joined } from "../descriptions.ts";
import { vocabularyOf } from "../encoder/vocabulary.ts";
import { InspectionRefused, isInspectionRefused } from "../inspection-refused.ts";
import type { OnnxModel } from "../onnx/inspect.ts";
import { decoderGraphOf } from "./graph.ts";

/** A bundle whose files are not all JSON. */
export interface ListedFolder extends DescribedFolder {
  has(path: string): boolean;
}

export type DecoderDescription =
  | { readonly kind: "decoder"; readonly text: TextModel; readonly notes: readonly string[] }
  | { readonly kind: "refused"; readonly reason: string };

const BYTES_OF = { FP32: 4, FP16: 2 } as const;
const MAX_CONTEXT = 16_777_216;

/** How the graph writes text, by its inputs and outputs and by what transformers writes beside it. `weights`: how they are stored, when the graph says. */
export function describeDecoder(
  folder: ListedFolder,
  model: Pick<OnnxModel, "inputs" | "outputs">,
  weights: string | undefined,
): DecoderDescription {
  try {
    return describe(folder, model, weights);
  } catch (error) {
    if (!isInspectionRefused(error)) throw error;
    return { kind: "refused", reason: error.message };
  }
}

function describe(
  folder: ListedFolder,
  model: Pick<OnnxModel, "inputs" | "outputs">,
  weights: string | undefined,
): DecoderDescription {
  const files = new Descriptions(folder);
  const folders = [files.besideGraph, ""];
  const graph = decoderGraphOf(model);
  const configPath = files.find(folders, [CONFIG_FILE]);
  if (configPath === undefined) throw new InspectionRefused(`it has no ${CONFIG_FILE}`);
  const config = files.needed(decoderConfigFile, configPath);
  compare(graph, config);
  const tokenizer = files.find(folders, [TOKENIZER_FILE]);
  if (tokenizer === undefined)
    throw new InspectionRefused(
      `it has no ${TOKENIZER_FILE}: save it with a fast tokenizer (transformers' AutoTokenizer)`,
    );
  const words = files.needed(tokenizerFile, tokenizer);
  const { size: vocabulary, longestBytes } = vocabularyOf(words, graph.vocabulary ?? config.vocab_size);
  const settingsPath = tokenizer.slice(0, -TOKENIZER_FILE.length) + TOKENIZER_SETTINGS_FILE;
  const settings = files.at(decoderTokenizerFile, settingsPath);
  const templatePath = folders.map((each) => joined(each, TEMPLATE_FILE)).find((path) => folder.has(path));
  const ends = endsOf(files, folders, { config, eos: tokenNamed(settings?.eos_token, words) });
  const beyond = ends.find((end) => end >= vocabulary);
  if (beyond !== undefined)
    throw new InspectionRefused(`a text ends with the token ${beyond}, and there are ${vocabulary}`);
  const { contextTokens, notes } = contextOf(config, settings?.model_max_length);
  const { inputs, layers, heads, headSize, cacheType } = graph;
  const hasChatTemplate = templatePath !== undefined || hasTemplate(settings?.chat_template);
  const text: TextModel = {
    architecture: config.model_type ?? "unknown",
    quantization: weights ?? cacheType,
    contextTokens,
    vocabulary,
    cacheBytesPerToken: 2 * layers * heads * headSize * BYTES_OF[cacheType],
    hasChatTemplate,
    decoder: {
      tokenizer,
      ...(settings && { tokenizerSettings: settingsPath }),
      ...(templatePath !== undefined && { chatTemplate: templatePath }),
      inputs: [...inputs],
      layers,
      heads,
      headSize,
      cacheType,
      ends,
      longestTokenBytes: longestBytes,
    },
  };
  const endless = ends.length === 0 ? ["Nothing says which token ends a text: each goes on to its limit"] : [];
  // A graph may declare any number, and nodes take no others than these.
  return { kind: "decoder", text: fitting(textModel, text, "its figures"), notes: [...notes, ...endless] };
}

/** Refuses a graph and a configuration that do not belong together. */
function compare(graph: ReturnType<typeof decoderGraphOf>, config: DecoderConfig): void {
  const layers = config.num_hidden_layers ?? config.n_layer ?? config.num_layers;
  const pairs = [
    ["layers", graph.layers, layers],
    ["heads of keys", graph.heads, config.num_key_value_heads],
    ["tokens", graph.vocabulary, config.vocab_size],
  ] as const;
  for (const [what, there, declared] of pairs)
    if (there !== undefined && declared != null && there !== declared)
      throw new InspectionRefused(
        `the graph has ${there} ${what}, and ${CONFIG_FILE} says ${declared}: they do not belong together`,
      );
}

function endsOf(
  files: Descriptions,
  folders: readonly string[],
  { config, eos }: { readonly config: DecoderConfig; readonly eos: number | undefined },
): number[] {
  const declared = files.parsed(generationFile, folders, [GENERATION_FILE])?.eos_token_id ?? config.eos_token_id ?? eos;
  return declared == null ? [] : [declared].flat();
}

function tokenNamed(
  named: string | { readonly content: string } | null | undefined,
  { added_tokens: added, model }: TokenizerFile,
): number | undefined {
  const text = typeof named === "string" ? named : named?.content;
  if (text === undefined) return undefined;
  const id = added?.find(({ content }) => content === text)?.id;
  if (id !== undefined || Array.isArray(model.vocab)) return id;
  return Object.hasOwn(model.vocab, text) ? model.vocab[text] : undefined;
}

/** What it was trained for, and no more than its window of attention: holes in the cache count in it. */
function contextOf(
  config: DecoderConfig,
  settings: number | null | undefined,
): { readonly contextTokens: number; readonly notes: readonly string[] } {
  const declared =
    config.max_position_embeddings ?? config.n_positions ?? config.n_ctx ?? config.max_seq_len ?? config.seq_length;
  const known = declared ?? (settings != null && settings < MAX_CONTEXT ? Math.floor(settings) : undefined);
  if (known === undefined)
    throw new InspectionRefused(`${CONFIG_FILE} does not say how long a text may be (max_position_embeddings)`);
  const window = config.use_sliding_window === false ? null : config.sliding_window;
  if (window == null || window < 1 || window >= known) return { contextTokens: known, notes: [] };
  return {
    contextTokens: window,
    notes: [
      `Its attention reaches back ${window} tokens: so many are served, and not the ${known} that it was trained for`,
    ],
  };
}

const hasTemplate = (template: string | readonly { readonly name: string }[] | null | undefined): boolean =>
  typeof template === "string" ? template !== "" : (template ?? []).some(({ name }) => name === "default");
