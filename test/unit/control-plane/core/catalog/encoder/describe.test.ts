import { describe, expect, it } from "@jest/globals";
import { describeEncoder } from "../../../../../../control-plane/core/catalog/encoder/describe.ts";
import type { TensorSpec } from "../../../../../../shared/protocol/model-files/manifest.ts";

const tokens = (name: string): TensorSpec => ({ name, datatype: "INT64", shape: [-1, -1] });
const INPUTS = ["input_ids", "attention_mask", "token_type_ids"].map(tokens);
const OUTPUTS: readonly TensorSpec[] = [{ name: "last_hidden_state", datatype: "FP32", shape: [-1, -1, 384] }];
const MODULES = ["Transformer", "Pooling", "Normalize"].map((name, at) => ({
  path: at === 0 ? "" : `${at}_${name}`,
  type: `sentence_transformers.models.${name}`,
}));
const FOLDER: Readonly<Record<string, unknown>> = {
  "modules.json": MODULES,
  "1_Pooling/config.json": {
    word_embedding_dimension: 384,
    pooling_mode_cls_token: false,
    pooling_mode_mean_tokens: true,
  },
  "sentence_bert_config.json": { max_seq_length: 256, do_lower_case: false },
  "config.json": {
    model_type: "bert",
    hidden_size: 384,
    num_attention_heads: 12,
    max_position_embeddings: 512,
    vocab_size: 40,
  },
  "tokenizer.json": { model: { type: "WordPiece", vocab: { "[PAD]": 0, harbour: 31 } }, added_tokens: [] },
  "tokenizer_config.json": { model_max_length: 512 },
};

function describeFolder(
  change: Readonly<Record<string, unknown>> = {},
  {
    inputs = INPUTS,
    outputs = OUTPUTS,
    main = "model.onnx",
  }: { inputs?: readonly TensorSpec[]; outputs?: readonly TensorSpec[]; main?: string } = {},
) {
  const files = { ...FOLDER, ...change };
  return describeEncoder(
    { main, read: (path) => (Object.hasOwn(files, path) ? files[path] : undefined) },
    { inputs, outputs },
  );
}

const reasonOf = (described: ReturnType<typeof describeEncoder>): string =>
  described.kind === "refused" ? described.reason : "";
const PLAIN = { "modules.json": undefined, "1_Pooling/config.json": undefined, "sentence_bert_config.json": undefined };

describe("describeEncoder", () => {
  it("takes pooling, normalisation, lengths and files from a folder of sentence-transformers", () => {
    expect(describeFolder()).toEqual({
      kind: "encoder",
      notes: [],
      encoder: {
        architecture: "bert",
        tokenizer: "tokenizer.json",
        tokenizerSettings: "tokenizer_config.json",
        inputs: ["attention_mask", "token_type_ids"],
        output: "last_hidden_state",
        pooling: "mean",
        normalizes: true,
        dimensions: 384,
        maxTokens: 256,
        vocabulary: 40,
        longestTokenBytes: 400,
        lowercases: false,
        heads: 12,
        width: 384,
      },
    });
  });

  it("takes the mean of a plain export, as sentence-transformers does, and says so", () => {
    expect(describeFolder(PLAIN)).toMatchObject({
      encoder: { pooling: "mean", normalizes: false, maxTokens: 512 },
      notes: [expect.stringMatching(/no modules\.json/)],
    });
  });

  it("finds what describes a graph that lies in a folder of its own", () => {
    expect(describeFolder({}, { main: "onnx/model.onnx" })).toMatchObject({ encoder: { tokenizer: "tokenizer.json" } });
    const { "tokenizer.json": tokenizer, ...rest } = FOLDER;
    const moved = { ...rest, "tokenizer.json": undefined, "onnx/tokenizer.json": tokenizer };
    expect(describeFolder(moved, { main: "onnx/model.onnx" })).toMatchObject({
      encoder: { tokenizer: "onnx/tokenizer.json" },
    });
  });

  it.each([
    [{ pooling_mode_cls_token: true }, "cls"],
    [{ pooling_mode_lasttoken: true }, "lasttoken"],
    [{ pooling_mode: "max" }, "max"],
    [{ pooling_mode: ["weightedmean"] }, "weightedmean"],
    [{}, "mean"],
  ])("pools as %j says", (config, pooling) => {
    expect(describeFolder({ "1_Pooling/config.json": config })).toMatchObject({ encoder: { pooling } });
  });

  it("takes the embedding of a graph that pools itself, whatever modules follow", () => {
    const outputs: readonly TensorSpec[] = [
      ...OUTPUTS,
      { name: "sentence_embedding", datatype: "FP32", shape: [-1, 128] },
    ];
    const modules = [...MODULES, { path: "3_Dense", type: "sentence_transformers.models.Dense" }];
    expect(describeFolder({ "modules.json": modules }, { outputs })).toMatchObject({
      encoder: { output: "sentence_embedding", pooling: "sentence", dimensions: 128 },
    });
    expect(reasonOf(describeFolder({ "modules.json": modules }))).toMatch(/Dense, which is not part of the graph/);
  });

  it("gives positions of models whose first is behind the padding's number only to tokens", () => {
    const config = {
      model_type: "roberta",
      max_position_embeddings: 514,
      pad_token_id: 1,
      hidden_size: 384,
      vocab_size: 40,
    };
    const change = { ...PLAIN, "tokenizer_config.json": undefined, "config.json": config };
    expect(describeFolder(change)).toMatchObject({ encoder: { maxTokens: 512 } });
  });

  it.each([
    [{ matryoshka_dimensions: [64, 128, 999] }, [64, 128]],
    [{ is_matryoshka: true }, "any"],
    [{}, undefined],
  ])("knows from %j which shorter embeddings there are", (said, shorter) => {
    const described = describeFolder({ "config.json": { ...(FOLDER["config.json"] as object), ...said } });
    expect(described.kind === "encoder" ? described.encoder.shorter : "refused").toEqual(shorter);
  });

  it("puts the default prompt before each text", () => {
    const prompts = { prompts: { query: "query: " }, default_prompt_name: "query" };
    expect(describeFolder({ "config_sentence_transformers.json": prompts })).toMatchObject({
      encoder: { prompt: "query: " },
    });
    const pooling = { pooling_mode_mean_tokens: true, include_prompt: false };
    const change = { "config_sentence_transformers.json": prompts, "1_Pooling/config.json": pooling };
    expect(reasonOf(describeFolder(change))).toMatch(/prompt/);
  });

  it.each<[string, Readonly<Record<string, unknown>>, Parameters<typeof describeFolder>[1], RegExp]>([
    ["without a tokenizer", { "tokenizer.json": undefined }, {}, /has no tokenizer\.json/],
    [
      "with two poolings at once",
      { "1_Pooling/config.json": { pooling_mode: ["cls", "max"] } },
      {},
      /joins the poolings cls and max/,
    ],
    [
      "that normalizes vectors of tokens",
      { "modules.json": [0, 2, 1].map((at) => MODULES[at]) },
      {},
      /modules\.json normalizes before it pools/,
    ],
    ["with a pooling that is not there", { "1_Pooling/config.json": undefined }, {}, /has no 1_Pooling\/config\.json/],
    [
      "with a tokenizer of another kind",
      { "tokenizer.json": { model: { type: "WordLevel", vocab: { a: 0 } } } },
      {},
      /is a WordLevel/,
    ],
    [
      "with tokens that the model does not know",
      { "tokenizer.json": { model: { vocab: { a: 40 } } } },
      {},
      /tokens up to 40, and the model knows 40/,
    ],
    [
      "with a broken description",
      { "1_Pooling/config.json": { pooling_mode: 3 } },
      {},
      /^1_Pooling\/config\.json: pooling_mode /,
    ],
    [
      "that takes a cache",
      {},
      { inputs: [...INPUTS, tokens("past_key_values.0.key")] },
      /takes "past_key_values\.0\.key"/,
    ],
    [
      "that takes no tokens",
      {},
      { inputs: [{ name: "image", datatype: "FP32", shape: [-1, 3] }] },
      /it is no encoder of texts/,
    ],
    ["of fixed sizes", {}, { inputs: [{ name: "input_ids", datatype: "INT64", shape: [1, 128] }] }, /variable sizes/],
    [
      "of one text at a time",
      {},
      { inputs: [{ name: "input_ids", datatype: "INT64", shape: [-1] }] },
      /has the shape \[-1\]/,
    ],
    [
      "that puts out whole numbers",
      {},
      { outputs: [{ name: "last_hidden_state", datatype: "INT8", shape: [-1, -1, 384] }] },
      /has the datatype INT8, not FP32 or FP16/,
    ],
    [
      "that puts out scores",
      {},
      { outputs: [{ name: "logits", datatype: "FP32", shape: [-1, 2] }] },
      /has 2 dimensions/,
    ],
    [
      "with longer embeddings than are served",
      {},
      { outputs: OUTPUTS.map((each) => ({ ...each, shape: [-1, -1, 16_777_217] })) },
      /its figures: dimensions Too big/,
    ],
    [
      "with a part of a token",
      { "sentence_bert_config.json": undefined, "tokenizer_config.json": { model_max_length: 300.5 } },
      {},
      /its figures: maxTokens .*int/,
    ],
  ])("refuses one %s", (_, change, graph, reason) => {
    expect(reasonOf(describeFolder(change, graph))).toMatch(reason);
  });
});
