import { axis, constant, externalConstant, int64s, model, type Node } from "../onnx/onnx-builder.ts";
import { END, successors, TOKENS } from "./tiny-alphabet.ts";

/** A decoder in ONNX for tests, in the folder that optimum would write. It writes what `tiny-alphabet.ts` says. */
export interface TinyDecoder {
  /** Tokens of context that it says it was trained for. Default: 512. */
  readonly contextTokens?: number;
  /** In Jinja. Default: the contents of the messages, one after the other. Null: none. */
  readonly chatTemplate?: string | null;
  /** Weights from a fixed sequence instead: what it writes depends on all tokens before and on their places. */
  readonly isRandom?: boolean;
  /**
   * `given`: positions are an input. `counted`: by the mask. `by length`: of the cache, whatever the mask says. `fused`: attention
   * and positions are one operator. Default: `given`.
   */
  readonly positions?: "given" | "counted" | "by length" | "fused";
  /** Quantised on the fly, with the scale of the whole run. */
  readonly isQuantised?: boolean;
  readonly layers?: number;
  /** Its table of tokens has so many rows and is the file `TABLE_FILE`, which begins with `knownRows()` and is not among its files. */
  readonly tableRows?: number;
  /** Added to `config.json`. */
  readonly config?: Readonly<Record<string, unknown>>;
}

const HEADS = 2;
/** The fused operator takes multiples of 16. */
const HEAD_SIZE = 16;
const RANDOM_WIDTH = 32;
/** How far the logit of the right token is above the others: at temperature 0 it wins, at 2 it often does not. */
const SHARPNESS = 7;
const POSITIONS = 8_192;

export const TABLE_FILE = "model.onnx.data";

/** The rows of the tokens that it knows, in FP32, each `TOKENS.length` long. */
export function knownRows(): Float32Array<ArrayBuffer> {
  const table = new Float32Array(TOKENS.length ** 2);
  for (let token = 0; token < TOKENS.length; token += 1) table[token * TOKENS.length + token] = 1;
  return table;
}

/** Its files by their paths. */
export function tinyDecoder(options: TinyDecoder = {}): Readonly<Record<string, Uint8Array>> {
  const { contextTokens = 512, chatTemplate, layers = 1, config = {} } = options;
  const template = chatTemplate === undefined ? "{% for m in messages %}{{ m.content }}{% endfor %}" : chatTemplate;
  const files: Readonly<Record<string, Uint8Array | object>> = {
    "model.onnx": graph(options),
    "config.json": {
      model_type: "llama",
      vocab_size: TOKENS.length,
      num_hidden_layers: layers,
      num_key_value_heads: HEADS,
      max_position_embeddings: contextTokens,
      eos_token_id: END,
      ...config,
    },
    "generation_config.json": { eos_token_id: [END] },
    "tokenizer.json": tokenizer(),
    "tokenizer_config.json": {
      bos_token: "<s>",
      eos_token: { content: "</s>" },
      ...(template !== null && { chat_template: template }),
    },
  };
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [
      name,
      content instanceof Uint8Array ? content : new TextEncoder().encode(JSON.stringify(content)),
    ]),
  );
}

function tokenizer(): object {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
      ],
    },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      byte_fallback: true,
      vocab: Object.fromEntries(TOKENS.map((token, id) => [token, id])),
      merges: [],
    },
  };
}

/** Each token's vector, with what each layer's attention adds to it. */
function graph(options: TinyDecoder): Uint8Array {
  const { isRandom = false, layers = 1, positions = "given", isQuantised = false, tableRows } = options;
  const width = isRandom ? RANDOM_WIDTH : TOKENS.length;
  const size = HEADS * HEAD_SIZE;
  const some = (count: number, seed: number): Float32Array =>
    isRandom ? weights(count, seed) : new Float32Array(count);
  const table = isRandom ? weights(TOKENS.length * width, 3) : knownRows();
  const head = isRandom ? weights(width * TOKENS.length, 5) : new Float32Array(width * TOKENS.length);
  if (!isRandom) successors().forEach((next, token) => (head[token * TOKENS.length + next] = SHARPNESS));
  const isFused = positions === "fused";
  const pasts = Array.from({ length: layers }, (_, layer) =>
    ["key", "value"].map((side) => `past_key_values.${layer}.${side}`),
  ).flat();
  const nodes: Node[] = [
    { opType: "Gather", input: ["table", "input_ids"], output: ["embedded"] },
    { opType: "Shape", input: ["attention_mask"], output: ["mask_shape"] },
    { opType: "Gather", input: ["mask_shape", "second"], output: ["total"] },
    { opType: "Shape", input: ["input_ids"], output: ["ids_shape"] },
    { opType: "Gather", input: ["ids_shape", "second"], output: ["count"] },
    { opType: "Sub", input: ["total", "count"], output: ["before"] },
    { opType: "Range", input: ["before", "total", "second"], output: ["query_places"] },
    ...(isFused ? fusedLengths() : [...mask(), ...placed(positions)]),
    ...(isFused ? [same("embedded", "x0")] : []),
    ...Array.from({ length: layers }, (_, layer) => attention(layer, { isFused, isQuantised })).flat(),
    { opType: "MatMul", input: [`x${layers}`, "head"], output: ["logits"] },
  ];
  const cache = (name: string, length: string) => ({
    name,
    datatype: "FP32" as const,
    shape: ["batch_size", HEADS, length, HEAD_SIZE],
  });
  const whole = (name: string, length: string) => ({
    name,
    datatype: "INT64" as const,
    shape: ["batch_size", length],
  });
  return model({
    nodes,
    inputs: [
      whole("input_ids", "sequence_length"),
      whole("attention_mask", "total_sequence_length"),
      ...(positions === "given" ? [whole("position_ids", "sequence_length")] : []),
      ...pasts.map((name) => cache(name, "past_sequence_length")),
    ],
    outputs: [
      { name: "logits", datatype: "FP32", shape: ["batch_size", "sequence_length", TOKENS.length] },
      ...pasts.map((name) => cache(name.replace("past_key_values", "present"), "total_sequence_length")),
    ],
    constants: [
      tableRows === undefined
        ? constant("table", "FP32", [TOKENS.length, width], table)
        : externalConstant("table", "FP32", [tableRows, width], TABLE_FILE),
      constant("head", "FP32", [width, TOKENS.length], head),
      constant("places", "FP32", [POSITIONS, width], some(POSITIONS * width, 7)),
      constant("first", "INT64", [], int64s(0)),
      constant("second", "INT64", [], int64s(1)),
      constant("axis_1", "INT64", [1], int64s(1)),
      constant("scale", "FP32", [], Float32Array.of(HEAD_SIZE ** -0.5)),
      constant("zero", "FP32", [], Float32Array.of(0)),
      constant("far", "FP32", [], Float32Array.of(-1e9)),
      constant("split", "INT64", [4], int64s(0, 0, HEADS, HEAD_SIZE)),
      constant("merged", "INT64", [3], int64s(0, 0, size)),
      ...(isFused ? rotation() : []),
      ...Array.from({ length: layers }, (_, layer) =>
        ["q", "k", "v"].map((part, at) =>
          constant(`w${part}${layer}`, "FP32", [width, size], some(width * size, 11 + 8 * layer + at)),
        ),
      ).flat(),
      ...Array.from({ length: layers }, (_, layer) =>
        constant(`wo${layer}`, "FP32", [size, width], some(size * width, 14 + 8 * layer)),
      ),
    ],
  });
}

const same = (from: string, to: string): Node => ({ opType: "Identity", input: [from], output: [to] });

/** Each token sees what comes before it, and of that what the mask has. */
const mask = (): Node[] => [
  { opType: "Range", input: ["first", "total", "second"], output: ["key_places"] },
  { opType: "Unsqueeze", input: ["query_places", "axis_1"], output: ["query_column"] },
  { opType: "LessOrEqual", input: ["key_places", "query_column"], output: ["causal"] },
  { opType: "Cast", input: ["attention_mask"], output: ["held"], attribute: [{ name: "to", type: 2, i: 9 }] },
  { opType: "Unsqueeze", input: ["held", "axis_1"], output: ["held_rows"] },
  { opType: "And", input: ["causal", "held_rows"], output: ["seen"] },
  { opType: "Unsqueeze", input: ["seen", "axis_1"], output: ["seen_heads"] },
  { opType: "Where", input: ["seen_heads", "zero", "far"], output: ["bias"] },
];

function placed(positions: TinyDecoder["positions"]): Node[] {
  const found: Node[] =
    positions === "given"
      ? [same("position_ids", "where")]
      : positions === "by length"
        ? [same("query_places", "where")]
        : [
            { opType: "CumSum", input: ["attention_mask", "second"], output: ["counted"] },
            { opType: "Sub", input: ["counted", "second"], output: ["all_places"] },
            { opType: "Gather", input: ["all_places", "query_places"], output: ["where"], attribute: axis(1) },
          ];
  return [
    ...found,
    { opType: "Gather", input: ["places", "where"], output: ["placed"] },
    { opType: "Add", input: ["embedded", "placed"], output: ["x0"] },
  ];
}

const fusedLengths = (): Node[] => [
  { opType: "ReduceSum", input: ["attention_mask", "axis_1"], output: ["lengths"], attribute: keepsNoDimension() },
  { opType: "Sub", input: ["lengths", "second"], output: ["last_places"] },
  { opType: "Cast", input: ["last_places"], output: ["seqlens"], attribute: [{ name: "to", type: 2, i: 6 }] },
  { opType: "Cast", input: ["total"], output: ["total32"], attribute: [{ name: "to", type: 2, i: 6 }] },
];

const keepsNoDimension = (): readonly object[] => [{ name: "keepdims", type: 2, i: 0 }];

function attention(
  layer: number,
  { isFused, isQuantised }: { readonly isFused: boolean; readonly isQuantised: boolean },
): Node[] {
  const of = (name: string): string => `${name}${layer}`;
  const [pastKey, pastValue] = ["key", "value"].map((side) => `past_key_values.${layer}.${side}`);
  const [key = "", value = ""] = ["key", "value"].map((side) => `present.${layer}.${side}`);
  const end: Node[] = [
    { opType: "MatMul", input: [of("attended"), of("wo")], output: [of("added")] },
    { opType: "Add", input: [of("x"), of("added")], output: [of("sum")] },
    isQuantised
      ? { opType: "Identity", input: [of("sum")], output: [of("quantisable")] }
      : same(of("sum"), `x${layer + 1}`),
    ...(isQuantised
      ? [
          {
            opType: "DynamicQuantizeLinear",
            input: [of("quantisable")],
            output: [of("q8"), of("q8_scale"), of("q8_zero")],
          },
          { opType: "DequantizeLinear", input: [of("q8"), of("q8_scale"), of("q8_zero")], output: [`x${layer + 1}`] },
        ]
      : []),
  ];
  const projected = ["q", "k", "v"].map((part): Node => ({
    opType: "MatMul",
    input: [of("x"), of(`w${part}`)],
    output: [of(part)],
  }));
  if (isFused)
    return [
      ...projected,
      {
        opType: "GroupQueryAttention",
        domain: "com.microsoft",
        input: [of("q"), of("k"), of("v"), pastKey ?? "", pastValue ?? "", "seqlens", "total32", "cos", "sin"],
        output: [of("attended"), key, value],
        attribute: [
          { name: "num_heads", type: 2, i: HEADS },
          { name: "kv_num_heads", type: 2, i: HEADS },
          { name: "do_rotary", type: 2, i: 1 },
        ],
      },
      ...end,
    ];
  return [
    ...projected,
    ...["q", "k", "v"].flatMap((part): Node[] => [
      { opType: "Reshape", input: [of(part), "split"], output: [of(`${part}_split`)] },
      {
        opType: "Transpose",
        input: [of(`${part}_split`)],
        output: [of(`${part}_heads`)],
        attribute: permuted(0, 2, 1, 3),
      },
    ]),
    { opType: "Concat", input: [pastKey ?? "", of("k_heads")], output: [key], attribute: axis(2) },
    { opType: "Concat", input: [pastValue ?? "", of("v_heads")], output: [value], attribute: axis(2) },
    { opType: "Transpose", input: [key], output: [of("turned")], attribute: permuted(0, 1, 3, 2) },
    { opType: "MatMul", input: [of("q_heads"), of("turned")], output: [of("products")] },
    { opType: "Mul", input: [of("products"), "scale"], output: [of("scaled")] },
    { opType: "Add", input: [of("scaled"), "bias"], output: [of("biased")] },
    { opType: "Softmax", input: [of("biased")], output: [of("shares")], attribute: axis(3) },
    { opType: "MatMul", input: [of("shares"), value], output: [of("mixed")] },
    { opType: "Transpose", input: [of("mixed")], output: [of("mixed_rows")], attribute: permuted(0, 2, 1, 3) },
    { opType: "Reshape", input: [of("mixed_rows"), "merged"], output: [of("attended")] },
    ...end,
  ];
}

const permuted = (...order: readonly number[]): readonly object[] => [{ name: "perm", type: 7, ints: order }];

function rotation(): readonly object[] {
  const half = HEAD_SIZE / 2;
  const angles = Array.from(
    { length: POSITIONS * half },
    (_, at) => Math.floor(at / half) / 10_000 ** ((2 * (at % half)) / HEAD_SIZE),
  );
  const of = (name: string, turn: (angle: number) => number): object =>
    constant(name, "FP32", [POSITIONS, half], Float32Array.from(angles, turn));
  return [of("cos", Math.cos), of("sin", Math.sin)];
}

function weights(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
