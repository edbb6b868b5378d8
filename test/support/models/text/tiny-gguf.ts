import { writeFile } from "node:fs/promises";
import { BYTES, END, successors, TOKENS } from "./tiny-alphabet.ts";

/** A text model for tests: a real GGUF file that llama.cpp runs, made here. It writes what `tiny-alphabet.ts` says. */
export interface TinyModel {
  /** Tokens of context that it says it was trained for. Default: 512. */
  readonly contextTokens?: number;
  /** In Jinja. Default: the contents of the messages, one after the other. Null: none. */
  readonly chatTemplate?: string | null;
  /** It goes on from letters with the one before: `z` after `a`. */
  readonly isBackwards?: boolean;
  /** Letters after which it hardly knows which token follows: the right one has a log-probability below −4, others of −0.3. */
  readonly unsureAfter?: string;
  /** Keys and values that go beside or in place of the usual ones; bytes are a value as the file has it, kind first. */
  readonly metadata?: Readonly<Record<string, string | number | Buffer>>;
}

/** Wide enough that each token has a direction of its own. */
const WIDTH = 320;
const HEADS = 5;
const INNER = 32;
/** How far the logit of the right token is above the others, over √WIDTH: at temperature 0 it wins, at 2 it often does not. */
const SHARPNESS = 0.4;
const UNSURE = 0.05;

const KIND = { U32: 4, F32: 6, STRING: 8, ARRAY: 9, I32: 5, BOOL: 7 } as const;
const TOKEN = { NORMAL: 1, UNKNOWN: 2, CONTROL: 3, BYTE: 6 } as const;

interface Tensor {
  readonly name: string;
  readonly dimensions: readonly number[];
  readonly values: Float32Array;
}

function tensors({ isBackwards = false, unsureAfter = "" }: TinyModel): readonly Tensor[] {
  const zeros = (name: string, ...dimensions: number[]): Tensor => ({
    name,
    dimensions,
    values: new Float32Array(dimensions.reduce((product, size) => product * size, 1)),
  });
  const ones = (name: string): Tensor => ({ name, dimensions: [WIDTH], values: new Float32Array(WIDTH).fill(1) });
  const embedding = zeros("token_embd.weight", WIDTH, TOKENS.length);
  const output = zeros("output.weight", WIDTH, TOKENS.length);
  successors({ isBackwards }).forEach((next, token) => {
    embedding.values[token * WIDTH + token] = 1;
    output.values[next * WIDTH + token] = unsureAfter.includes(TOKENS[token] ?? "") ? UNSURE : SHARPNESS;
  });
  // Attention and the layer behind it add nothing: what is left is the token itself.
  return [
    embedding,
    ones("blk.0.attn_norm.weight"),
    ...["q", "k", "v", "output"].map((part) => zeros(`blk.0.attn_${part}.weight`, WIDTH, WIDTH)),
    ones("blk.0.ffn_norm.weight"),
    zeros("blk.0.ffn_gate.weight", WIDTH, INNER),
    zeros("blk.0.ffn_up.weight", WIDTH, INNER),
    zeros("blk.0.ffn_down.weight", INNER, WIDTH),
    ones("output_norm.weight"),
    output,
  ];
}

/** The bytes of such a file. */
export function tinyGguf(model: TinyModel = {}): Buffer {
  const { contextTokens = 512, chatTemplate, metadata = {} } = model;
  const template = chatTemplate === undefined ? "{% for m in messages %}{{ m.content }}{% endfor %}" : chatTemplate;
  const entries: readonly (readonly [string, Buffer])[] = [
    ...Object.entries({
      "general.architecture": "llama",
      "general.name": "Tiny alphabet",
      "llama.context_length": contextTokens,
      "llama.embedding_length": WIDTH,
      "llama.block_count": 1,
      "llama.feed_forward_length": INNER,
      "llama.attention.head_count": HEADS,
      "llama.rope.dimension_count": WIDTH / HEADS,
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": END,
      ...(template !== null && { "tokenizer.chat_template": template }),
      ...metadata,
    }).map(
      ([key, value]) =>
        [
          key,
          typeof value === "string"
            ? kinded(KIND.STRING, text(value))
            : typeof value === "number"
              ? kinded(KIND.U32, u32(value))
              : value,
        ] as const,
    ),
    ["llama.attention.layer_norm_rms_epsilon", kinded(KIND.F32, f32(1e-5))],
    ["tokenizer.ggml.add_bos_token", kinded(KIND.BOOL, Buffer.from([0]))],
    ["tokenizer.ggml.add_space_prefix", kinded(KIND.BOOL, Buffer.from([0]))],
    ["tokenizer.ggml.tokens", array(KIND.STRING, TOKENS.map(text))],
    [
      "tokenizer.ggml.scores",
      array(
        KIND.F32,
        TOKENS.map(() => f32(0)),
      ),
    ],
    [
      "tokenizer.ggml.token_type",
      array(
        KIND.I32,
        TOKENS.map((_, i) => u32(typeOf(i))),
      ),
    ],
  ];
  const all = tensors(model);
  let offset = 0;
  const infos = all.map(({ name, dimensions, values }) => {
    const info = [text(name), u32(dimensions.length), ...dimensions.map(u64), u32(0), u64(offset)];
    offset += aligned(values.byteLength);
    return Buffer.concat(info);
  });
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(all.length),
    u64(entries.length),
    ...entries.map(([key, value]) => Buffer.concat([text(key), value])),
    ...infos,
  ]);
  return Buffer.concat([padded(head), ...all.map(({ values }) => padded(Buffer.from(values.buffer)))]);
}

export const writeTinyGguf = (path: string, model?: TinyModel): Promise<void> => writeFile(path, tinyGguf(model));

function typeOf(token: number): number {
  if (token === 0) return TOKEN.UNKNOWN;
  if (token <= END) return TOKEN.CONTROL;
  return token < 3 + BYTES.length ? TOKEN.BYTE : TOKEN.NORMAL;
}

const ALIGNMENT = 32;
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);
const kinded = (kind: number, value: Buffer): Buffer => Buffer.concat([u32(kind), value]);
const array = (kind: number, items: readonly Buffer[]): Buffer =>
  Buffer.concat([u32(KIND.ARRAY), u32(kind), u64(items.length), ...items]);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}
