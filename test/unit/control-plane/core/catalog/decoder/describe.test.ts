import { describe, expect, it } from "@jest/globals";
import { describeDecoder } from "../../../../../../control-plane/core/catalog/decoder/describe.ts";
import type { TensorSpec } from "../../../../../../shared/protocol/model-files/manifest.ts";

const tokens = (name: string): TensorSpec => ({ name, datatype: "INT64", shape: [-1, -1] });
const cache = (prefix: string, layers = 2, datatype = "FP32"): readonly TensorSpec[] =>
  Array.from({ length: layers }, (_, layer) =>
    ["key", "value"].map((side) => ({ name: `${prefix}.${layer}.${side}`, datatype, shape: [-1, 3, -1, 64] })),
  ).flat();
const INPUTS = [tokens("input_ids"), tokens("attention_mask"), ...cache("past_key_values")];
const LOGITS: TensorSpec = { name: "logits", datatype: "FP32", shape: [-1, -1, 40] };
const OUTPUTS = [LOGITS, ...cache("present")];
const FOLDER: Readonly<Record<string, unknown>> = {
  "config.json": {
    model_type: "llama",
    vocab_size: 40,
    num_hidden_layers: 2,
    num_key_value_heads: 3,
    max_position_embeddings: 2_048,
    eos_token_id: 1,
  },
  "generation_config.json": { eos_token_id: [1, 2] },
  "tokenizer.json": {
    model: { type: "BPE", vocab: { a: 0 } },
    added_tokens: [
      { id: 1, content: "<end>" },
      { id: 2, content: "<turn>" },
    ],
  },
  "tokenizer_config.json": { eos_token: "<end>", chat_template: "{{ messages }}" },
};

function describeFolder(
  change: Readonly<Record<string, unknown>> = {},
  { inputs = INPUTS, outputs = OUTPUTS }: { inputs?: readonly TensorSpec[]; outputs?: readonly TensorSpec[] } = {},
) {
  const files = { ...FOLDER, ...change };
  const has = (path: string): boolean => files[path] !== undefined;
  return describeDecoder({ main: "model.onnx", has, read: (path) => files[path] }, { inputs, outputs }, "4 bit");
}

function textOf(...args: Parameters<typeof describeFolder>) {
  const described = describeFolder(...args);
  if (described.kind === "refused") throw new Error(described.reason);
  return described;
}

function reasonOf(...args: Parameters<typeof describeFolder>): string {
  const described = describeFolder(...args);
  return described.kind === "refused" ? described.reason : "";
}

const CONFIG = FOLDER["config.json"] as object;
/** With a cache of this shape in all layers. */
const graphOf = (shape: readonly number[]) => ({
  inputs: INPUTS.map((each) => (each.shape.length === 4 ? { ...each, shape: [...shape] } : each)),
});
const UNSAID = {
  "config.json": { ...CONFIG, num_key_value_heads: null, max_position_embeddings: null },
  "tokenizer_config.json": { model_max_length: 2_048 },
};

describe("describeDecoder", () => {
  it("takes the cache from the graph, and context, ends and template from what is beside it", () => {
    expect(describeFolder()).toEqual({
      kind: "decoder",
      notes: [],
      text: {
        architecture: "llama",
        quantization: "4 bit",
        contextTokens: 2_048,
        vocabulary: 40,
        cacheBytesPerToken: 2 * 2 * 3 * 64 * 4,
        hasChatTemplate: true,
        decoder: {
          tokenizer: "tokenizer.json",
          tokenizerSettings: "tokenizer_config.json",
          inputs: [],
          layers: 2,
          heads: 3,
          headSize: 64,
          cacheType: "FP32",
          ends: [1, 2],
          longestTokenBytes: 400,
        },
      },
    });
  });

  it("knows the inputs that exporters add, and half the cache in 16 bits", () => {
    const scalar: TensorSpec = { name: "num_logits_to_keep", datatype: "INT64", shape: [] };
    const inputs = [...INPUTS.slice(0, 2), tokens("position_ids"), scalar, ...cache("past_key_values", 2, "FP16")];
    const { text } = textOf({}, { inputs });
    expect(text.decoder).toMatchObject({ inputs: ["position_ids", "num_logits_to_keep"], cacheType: "FP16" });
    expect(text.cacheBytesPerToken).toBe(2 * 2 * 3 * 64 * 2);
  });

  it("finds the ends of a text where they are", () => {
    const without = { "generation_config.json": undefined };
    expect(textOf(without).text.decoder?.ends).toEqual([1]);
    const unsaid = { ...without, "config.json": { ...CONFIG, eos_token_id: null } };
    expect(textOf(unsaid).text.decoder?.ends).toEqual([1]);
    const never = textOf({ ...unsaid, "tokenizer_config.json": {} });
    expect([never.text.decoder?.ends, never.notes]).toEqual([
      [],
      ["Nothing says which token ends a text: each goes on to its limit"],
    ]);
  });

  it("takes a chat template that is a file, or the default one of several", () => {
    const file = textOf({ "tokenizer_config.json": {}, "chat_template.jinja": "{{ messages }}" });
    expect([file.text.hasChatTemplate, file.text.decoder?.chatTemplate]).toEqual([true, "chat_template.jinja"]);
    const several = (name: string) => ({ chat_template: [{ name, template: "x" }] });
    expect(textOf({ "tokenizer_config.json": several("default") }).text.hasChatTemplate).toBe(true);
    expect(textOf({ "tokenizer_config.json": several("rag") }).text.hasChatTemplate).toBe(false);
    expect(textOf({ "tokenizer_config.json": {} }).text.hasChatTemplate).toBe(false);
  });

  it("serves no more context than its attention reaches back", () => {
    const { text, notes } = textOf({ "config.json": { ...CONFIG, sliding_window: 512 } });
    expect([text.contextTokens, notes]).toEqual([
      512,
      ["Its attention reaches back 512 tokens: so many are served, and not the 2048 that it was trained for"],
    ]);
    const unused = { ...CONFIG, sliding_window: 512, use_sliding_window: false };
    expect(textOf({ "config.json": unused }).text.contextTokens).toBe(2_048);
  });

  it.each([
    ["no configuration", { "config.json": undefined }, {}, /it has no config\.json/],
    ["no tokenizer", { "tokenizer.json": undefined }, {}, /it has no tokenizer\.json: save it with a fast tokenizer/],
    [
      "another number of layers",
      { "config.json": { ...CONFIG, num_hidden_layers: 3 } },
      {},
      /the graph has 2 layers, and config\.json says 3/,
    ],
    [
      "another number of heads",
      { "config.json": { ...CONFIG, num_key_value_heads: 9 } },
      {},
      /the graph has 3 heads of keys, and config\.json says 9/,
    ],
    [
      "another vocabulary",
      { "config.json": { ...CONFIG, vocab_size: 41 } },
      {},
      /the graph has 40 tokens, and config\.json says 41/,
    ],
    [
      "a tokenizer with more tokens than the model",
      { "tokenizer.json": { model: { type: "BPE", vocab: { a: 40 } } } },
      {},
      /its tokenizer has tokens up to 40, and the model knows 40/,
    ],
    ["an end that is no token", { "generation_config.json": { eos_token_id: 99 } }, {}, /ends with the token 99/],
    [
      "no length",
      { "config.json": { ...CONFIG, max_position_embeddings: null } },
      {},
      /does not say how long a text may be/,
    ],
    ["no cache", {}, { inputs: INPUTS.slice(0, 2) }, /and no cache .*--task text-generation-with-past/],
    ["no mask", {}, { inputs: INPUTS.filter(({ name }) => name !== "attention_mask") }, /takes no attention_mask/],
    ["a cache without values", {}, { inputs: INPUTS.slice(0, -1) }, /takes no past_key_values\.1\.value/],
    [
      "a cache that differs from layer to layer",
      {},
      {
        inputs: [...INPUTS.slice(0, -1), { name: "past_key_values.1.value", datatype: "FP32", shape: [-1, 3, -1, 32] }],
      },
      /differs from layer to layer/,
    ],
    [
      "a cache whose heads are unknown",
      {},
      { inputs: INPUTS.map((each) => (each.shape.length === 4 ? { ...each, shape: [-1, -1, -1, 64] } : each)) },
      /has the shape \[-1, -1, -1, 64\], not \[texts, heads, tokens, numbers\]/,
    ],
    [
      "an 8-bit cache",
      {},
      { inputs: [...INPUTS.slice(0, 2), ...cache("past_key_values", 2, "INT8")] },
      /datatype INT8/,
    ],
    [
      "an export in two branches",
      {},
      { inputs: [...INPUTS, { name: "use_cache_branch", datatype: "BOOL", shape: [1] }] },
      /use_cache_branch, as older exports in two branches do/,
    ],
    ["an unknown input", {}, { inputs: [...INPUTS, tokens("beam_idx")] }, /takes "beam_idx", which is not served/],
    ["no logits", {}, { outputs: OUTPUTS.slice(1) }, /puts out no logits/],
    ["no new cache", {}, { outputs: OUTPUTS.slice(0, -1) }, /puts out no present\.1\.value/],
    ["more heads than are served", UNSAID, graphOf([-1, 1_025, -1, 64]), /its figures: decoder\.heads Too big/],
    ["a cache beyond all numbers", UNSAID, graphOf([-1, 3, -1, 2 ** 52]), /its figures: cacheBytesPerToken/],
    [
      "no whole token of context",
      { ...UNSAID, "tokenizer_config.json": { model_max_length: 0.5 } },
      {},
      /its figures: contextTokens Too small/,
    ],
  ])("refuses %s", (_, change, graph, reason) => {
    expect(reasonOf(change, graph)).toMatch(reason);
  });
});
