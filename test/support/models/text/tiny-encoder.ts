import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Node, constant, int64s, model } from "../onnx/onnx-builder.ts";

/** An encoder of texts with weights from a fixed sequence, in the folder that sentence-transformers would write. */
export interface TinyEncoder {
  readonly width?: number;
  readonly maxTokens?: number;
  readonly normalizes?: boolean;
  readonly pooling?: string;
  /** Lengths of shorter embeddings that it says to have been trained for. */
  readonly shorter?: readonly number[];
  /**
   * `leaky`: padding counts as text. `quantised`: on the fly, with the scale of the whole run. Default: neither, so that texts may share a
   * run.
   */
  readonly kind?: "masked" | "leaky" | "quantised";
  /** Without sentence-transformers' files: what optimum exports. */
  readonly isPlain?: boolean;
  /** Rounds of a product of two large matrices: makes a run take longer. */
  readonly rounds?: number;
}

const WORDS = ["harbour", "at", "night", "pump", "storm", "the", "a", "##s", "##ing", "##ed", ".", ",", "!", "?"];
const LETTERS = Array.from("abcdefghijklmnopqrstuvwxyz0123456789");
export const VOCABULARY = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  ...WORDS,
  ...LETTERS,
  ...LETTERS.map((each) => `##${each}`),
];
const WIDTH = 16;

/** Writes it into `folder`, which it makes. */
export async function writeTinyEncoder(folder: string, options: TinyEncoder = {}): Promise<void> {
  const { isPlain = false } = options;
  for (const [name, content] of Object.entries(tinyEncoder(options))) {
    if (isPlain && /^(modules|sentence_bert|1_Pooling)/.test(name)) continue;
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
}

/** Its files by their paths. */
export function tinyEncoder(options: TinyEncoder = {}): Readonly<Record<string, Uint8Array | string>> {
  const { width = WIDTH, maxTokens = 64, normalizes = true, pooling = "mean", shorter } = options;
  const modules = ["Transformer", "Pooling", ...(normalizes ? ["Normalize"] : [])];
  return {
    "model.onnx": graph(options),
    "modules.json": JSON.stringify(
      modules.map((name, idx) => ({
        idx,
        name: String(idx),
        path: idx === 0 ? "" : `${idx}_${name}`,
        type: `sentence_transformers.models.${name}`,
      })),
    ),
    "1_Pooling/config.json": JSON.stringify({ word_embedding_dimension: width, pooling_mode: pooling }),
    "sentence_bert_config.json": JSON.stringify({ max_seq_length: maxTokens, do_lower_case: false }),
    "config.json": JSON.stringify({
      model_type: "bert",
      hidden_size: width,
      num_attention_heads: 2,
      max_position_embeddings: 512,
      vocab_size: VOCABULARY.length,
      ...(shorter && { matryoshka_dimensions: shorter }),
    }),
    "tokenizer.json": JSON.stringify(tokenizer()),
    "tokenizer_config.json": JSON.stringify({ tokenizer_class: "BertTokenizer", model_max_length: 512 }),
  };
}

function tokenizer(): object {
  const vocab = Object.fromEntries(VOCABULARY.map((token, id) => [token, id]));
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map((content) => ({
    id: vocab[content],
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const named = (content: string): object => ({ SpecialToken: { id: content, type_id: 0 } });
  return {
    version: "1.0",
    // As in the folders that people have: neither may have an effect.
    truncation: { direction: "Right", max_length: 8, strategy: "LongestFirst", stride: 0 },
    padding: {
      strategy: { Fixed: 8 },
      direction: "Right",
      pad_to_multiple_of: null,
      pad_id: 0,
      pad_type_id: 0,
      pad_token: "[PAD]",
    },
    added_tokens: special,
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [named("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, named("[SEP]")],
      pair: [],
      special_tokens: {
        "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
        "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
      },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}

/** Each token's vector, moved by the mean of the text's. */
function graph({ width = WIDTH, kind = "masked", rounds = 0 }: TinyEncoder): Uint8Array {
  const table = weights(VOCABULARY.length * width, 7);
  const masked = kind !== "leaky";
  const nodes: Node[] = [
    { opType: "Gather", input: ["table", "input_ids"], output: ["gathered"] },
    ...(kind === "quantised" ? quantised("gathered", "vectors") : [same("gathered", "vectors")]),
    { opType: "Cast", input: ["attention_mask"], output: ["mask"], attribute: [{ name: "to", type: 2, i: 1 }] },
    { opType: "Unsqueeze", input: ["mask", "last"], output: ["column"] },
    ...(masked ? [{ opType: "Mul", input: ["vectors", "column"], output: ["counted"] }] : [same("vectors", "counted")]),
    { opType: "ReduceSum", input: ["counted", "middle"], output: ["sum"] },
    { opType: "ReduceSum", input: ["column", "middle"], output: ["count"] },
    { opType: "Div", input: ["sum", "count"], output: ["mean"] },
    { opType: "Add", input: ["vectors", "mean"], output: ["moved0"] },
    ...Array.from({ length: rounds }, (_, at) => [
      { opType: "MatMul", input: [`moved${at}`, "wide"], output: [`wide${at}`] },
      { opType: "MatMul", input: [`wide${at}`, "narrow"], output: [`narrow${at}`] },
      { opType: "Tanh", input: [`narrow${at}`], output: [`moved${at + 1}`] },
    ]).flat(),
    { opType: "Tanh", input: [`moved${rounds}`], output: ["last_hidden_state"] },
  ];
  const inner = rounds === 0 ? 1 : 1_024;
  return model({
    nodes,
    inputs: ["input_ids", "attention_mask", "token_type_ids"].map((name) => ({
      name,
      datatype: "INT64" as const,
      shape: ["batch_size", "sequence_length"],
    })),
    outputs: [{ name: "last_hidden_state", datatype: "FP32", shape: ["batch_size", "sequence_length", width] }],
    constants: [
      constant("table", "FP32", [VOCABULARY.length, width], table),
      constant("last", "INT64", [1], int64s(-1)),
      constant("middle", "INT64", [1], int64s(1)),
      constant("wide", "FP32", [width, inner], weights(width * inner, 11)),
      constant("narrow", "FP32", [inner, width], weights(width * inner, 13)),
    ],
  });
}

const same = (from: string, to: string): Node => ({ opType: "Identity", input: [from], output: [to] });

const quantised = (from: string, to: string): Node[] => [
  { opType: "DynamicQuantizeLinear", input: [from], output: ["q", "q_scale", "q_zero"] },
  { opType: "DequantizeLinear", input: ["q", "q_scale", "q_zero"], output: [to] },
];

function weights(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
