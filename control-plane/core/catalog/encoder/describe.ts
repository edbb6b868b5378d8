import {
  configFile,
  MODULES_FILE,
  modulesFile,
  poolingFile,
  PROMPTS_FILE,
  promptsFile,
  TOKENIZER_FILE,
  TOKENIZER_SETTINGS_FILE,
  tokenizerFile,
  tokenizerSettingsFile,
  TRANSFORMER_FILES,
  transformerFile,
  CONFIG_FILE,
} from "../../../../shared/text/encoder-files.ts";
import { encoderModel, type EncoderModel, type Pooling } from "../../../../shared/text/encoder-model.ts";
import { isInspectionRefused, InspectionRefused } from "../inspection-refused.ts";
import type { OnnxModel } from "../onnx/inspect.ts";
import { Descriptions, type DescribedFolder, fitting, joined } from "../descriptions.ts";
import { outputOf, takenInputs } from "./graph.ts";
import { vocabularyOf } from "./vocabulary.ts";

export type EncoderDescription =
  | { readonly kind: "encoder"; readonly encoder: EncoderModel; readonly notes: readonly string[] }
  | { readonly kind: "refused"; readonly reason: string };

/** What sentence-transformers takes of a text when nothing says more. */
const USUAL_TOKENS = 512;
/** Their positions begin behind the number of the padding. */
const SHIFTED = new Set(["roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet"]);

/**
 * How the graph makes an embedding of a text, by the folder's own description: sentence-transformers' modules, else that of a
 * plain export, of which sentence-transformers takes the mean over the tokens.
 */
export function describeEncoder(
  folder: DescribedFolder,
  model: Pick<OnnxModel, "inputs" | "outputs">,
): EncoderDescription {
  try {
    return describe(folder, model);
  } catch (error) {
    if (!isInspectionRefused(error)) throw error;
    return { kind: "refused", reason: error.message };
  }
}

function describe(folder: DescribedFolder, model: Pick<OnnxModel, "inputs" | "outputs">): EncoderDescription {
  const files = new Descriptions(folder);
  const modules = modulesOf(files);
  const { output, isSentence, width } = outputOf(model.outputs);
  if (isSentence === false && modules.further.length > 0)
    throw new InspectionRefused(
      `${MODULES_FILE} has the module ${modules.further.join(", ")}, which is not part of the graph: export it with optimum's library sentence_transformers, whose graph has an output sentence_embedding`,
    );
  const config = files.parsed(configFile, [modules.transformer, ""], [CONFIG_FILE]) ?? {};
  const dimensions = width ?? config.hidden_size;
  if (dimensions == null)
    throw new InspectionRefused(`neither its output nor ${CONFIG_FILE} says how many numbers an embedding has`);
  const tokenizer = files.find([modules.transformer, files.besideGraph, ""], [TOKENIZER_FILE]);
  if (tokenizer === undefined)
    throw new InspectionRefused(
      `it has no ${TOKENIZER_FILE}: save it with a fast tokenizer (transformers' AutoTokenizer)`,
    );
  const settingsPath = tokenizer.slice(0, -TOKENIZER_FILE.length) + TOKENIZER_SETTINGS_FILE;
  const settings = files.at(tokenizerSettingsFile, settingsPath);
  const transformer = files.parsed(transformerFile, [modules.transformer, ""], TRANSFORMER_FILES) ?? {};
  const { size: vocabulary, longestBytes } = vocabularyOf(files.needed(tokenizerFile, tokenizer), config.vocab_size);
  const limits = [transformer.max_seq_length, settings?.model_max_length, positionsOf(config)];
  const known = limits.filter((limit) => limit != null && limit >= 1 && limit < 1_048_576);
  const maxTokens = known.length === 0 ? USUAL_TOKENS : Math.min(...known.map(Number));
  const { pooling, includesPrompt } = isSentence ? SENTENCE : poolingOf(files, modules.pooling);
  const prompt = promptOf(files);
  if (prompt !== undefined && !includesPrompt)
    throw new InspectionRefused("it has a default prompt whose tokens are not pooled, which is not served");
  const encoder: EncoderModel = {
    architecture: config.model_type ?? "unknown",
    tokenizer,
    ...(settings && { tokenizerSettings: settingsPath }),
    inputs: takenInputs(model.inputs),
    output,
    pooling,
    normalizes: modules.normalizes,
    dimensions,
    ...shorterOf(config, dimensions),
    maxTokens,
    vocabulary,
    longestTokenBytes: longestBytes,
    lowercases: transformer.do_lower_case === true,
    ...(prompt !== undefined && { prompt }),
    ...(config.num_attention_heads != null && { heads: config.num_attention_heads }),
    ...(config.hidden_size != null && { width: config.hidden_size }),
  };
  const notes = [
    ...(modules.isDescribed || isSentence
      ? []
      : [
          `It has no ${MODULES_FILE}: as in sentence-transformers, an embedding is the mean over the tokens, of any length`,
        ]),
    ...(known.length === 0 ? [`Nothing says how long its texts may be: ${USUAL_TOKENS} tokens are taken`] : []),
  ];
  // A graph may declare any number, and nodes take no others than these.
  return { kind: "encoder", encoder: fitting(encoderModel, encoder, "its figures"), notes };
}

const SENTENCE = { pooling: "sentence", includesPrompt: true } as const;

interface Modules {
  readonly isDescribed: boolean;
  /** Folder of the module that has the graph. */
  readonly transformer: string;
  readonly pooling: string | undefined;
  readonly normalizes: boolean;
  /** Names of what else a text passes. */
  readonly further: readonly string[];
}

function modulesOf(files: Descriptions): Modules {
  const list = files.at(modulesFile, MODULES_FILE);
  if (!list) return { isDescribed: false, transformer: "", pooling: undefined, normalizes: false, further: [] };
  const named = list.map(({ type, path }) => ({ name: type.slice(type.lastIndexOf(".") + 1), path }));
  const of = (name: string): string | undefined => named.find((each) => each.name === name)?.path;
  const known = ["Transformer", "Pooling", "Normalize", "Dropout"];
  const order = named.map(({ name }) => name).filter((name) => name === "Pooling" || name === "Normalize");
  if (order.join() === "Normalize,Pooling") throw new InspectionRefused(`${MODULES_FILE} normalizes before it pools`);
  const further = named.map(({ name }) => name).filter((name) => !known.includes(name));
  return {
    isDescribed: true,
    transformer: of("Transformer") ?? "",
    pooling: of("Pooling"),
    normalizes: of("Normalize") !== undefined,
    further,
  };
}

function poolingOf(
  files: Descriptions,
  path: string | undefined,
): { readonly pooling: Pooling; readonly includesPrompt: boolean } {
  if (path === undefined) return { pooling: "mean", includesPrompt: true };
  const found = files.needed(poolingFile, joined(path, CONFIG_FILE));
  const includesPrompt = found.include_prompt !== false;
  const declared = found.pooling_mode;
  const modes: readonly Pooling[] =
    declared != null
      ? [declared].flat()
      : [
          ...(found.pooling_mode_cls_token ? (["cls"] as const) : []),
          ...(found.pooling_mode_max_tokens ? (["max"] as const) : []),
          ...(found.pooling_mode_mean_tokens ? (["mean"] as const) : []),
          ...(found.pooling_mode_mean_sqrt_len_tokens ? (["mean_sqrt_len_tokens"] as const) : []),
          ...(found.pooling_mode_weightedmean_tokens ? (["weightedmean"] as const) : []),
          ...(found.pooling_mode_lasttoken ? (["lasttoken"] as const) : []),
        ];
  const [pooling = "mean", ...more] = modes;
  if (more.length > 0)
    throw new InspectionRefused(`it joins the poolings ${modes.join(" and ")}, and one alone is served`);
  return { pooling, includesPrompt };
}

function promptOf(files: Descriptions): string | undefined {
  const found = files.at(promptsFile, PROMPTS_FILE);
  const prompt = found?.default_prompt_name == null ? undefined : found.prompts?.[found.default_prompt_name];
  return prompt == null || prompt === "" ? undefined : prompt;
}

/** Tokens that have a position. */
function positionsOf({
  max_position_embeddings: most,
  model_type: type,
  pad_token_id: pad,
}: Config): number | undefined {
  if (most == null || most < 1) return undefined;
  return SHIFTED.has(type ?? "") ? most - (pad ?? 1) - 1 : most;
}

function shorterOf(
  { matryoshka_dimensions: lengths, is_matryoshka: isAny }: Config,
  dimensions: number,
): Pick<EncoderModel, "shorter"> {
  if (lengths != null) return { shorter: lengths.filter((length) => length <= dimensions) };
  return isAny === true ? { shorter: "any" } : {};
}

type Config = Partial<ReturnType<(typeof configFile)["parse"]>>;
