import { z } from "zod";
import { pathFault } from "../../../protocol/model-files/bundle.ts";
import { TOKENIZER_FILE } from "../../../text/encoder-files.ts";
import type { TextTokenizer } from "../../../text/text-tokenizer.ts";
import { checkNumbers } from "../../limits.ts";
import { defineStep, StepFault } from "../../step.ts";
import type { TypeOf } from "../../values.ts";

const MIB = 1_048_576;
const MAX_TOKENS = 8_192;
/** A vocabulary as the library keeps it, beside its file, which is counted with the others. */
const VOCABULARY_MIB = 64;

const params = z.strictObject({
  /** Path of a `tokenizer.json` in the bundle, as Hugging Face's libraries write it. */
  file: z
    .string()
    .check(({ value, issues }) => {
      const isNamed = value === TOKENIZER_FILE || value.endsWith(`/${TOKENIZER_FILE}`);
      const message = pathFault(value) ?? (isNamed ? undefined : `the file is called ${TOKENIZER_FILE}`);
      if (message !== undefined) issues.push({ code: "custom", message, input: value });
    })
    .default(TOKENIZER_FILE),
  /** Of a text, with those that are put around it. */
  maxTokens: z.number().int().min(1).max(MAX_TOKENS),
  /** A text with more tokens: is refused, or loses its end. */
  longer: z.enum(["refuse", "cut"]).default("refuse"),
  /** Shorter texts are filled up at their end: to the longest of the request, or to `maxTokens`. */
  fill: z.enum(["longest", "maxTokens"]).default("longest"),
  /** The token that they are filled with. */
  padId: z.number().int().min(0).max(2_147_483_647).default(0),
  /** Of one text. */
  maxBytes: z.number().int().min(1).max(MIB).default(65_536),
});
type Params = z.infer<typeof params>;

const NAMES = ["input_ids", "attention_mask", "token_type_ids"] as const;

/**
 * A text in UTF-8 in each element → the tensors `input_ids`, `attention_mask` and `token_type_ids`, INT64 [texts, tokens], of which
 * a graph takes those that it has; as Hugging Face's `tokenizers` with `enable_truncation` and `enable_padding`. What the file
 * says of both has no effect.
 */
export const tokenise = defineStep({
  name: "tokenise",
  phase: "pre",
  takes: ["bytes"],
  params,
  roomMiB: () => VOCABULARY_MIB,
  files: ({ file }) => [file],
  check: (_type, { fill, maxTokens }): TypeOf<"tensors"> => {
    const spec = { datatype: "INT64", shape: [-1, fill === "maxTokens" ? maxTokens : -1] } as const;
    return { kind: "tensors", tensors: Object.fromEntries(NAMES.map((name) => [name, spec])) };
  },
  build: (_type, given, { openTokenizer }) => {
    const tokenizer = openTokenizer(given.file);
    const around = aroundOf(tokenizer);
    if (around.before.length + around.behind.length > given.maxTokens)
      throw new StepFault(`maxTokens is ${given.maxTokens}, and so many are put around every text already`);
    return ({ elements }) => {
      const texts = elements.map((bytes, at) =>
        fitted(tokenizer.tokensOf(textOf(bytes, at, given)), at, { given, around }),
      );
      const length = given.fill === "maxTokens" ? given.maxTokens : Math.max(1, ...texts.map((ids) => ids.length));
      checkNumbers(NAMES.length * texts.length * length);
      const shape = [texts.length, length];
      const ids = new BigInt64Array(texts.length * length).fill(BigInt(given.padId));
      const mask = new BigInt64Array(texts.length * length);
      for (const [at, tokens] of texts.entries()) {
        ids.set(tokens.map(BigInt), at * length);
        mask.fill(1n, at * length, at * length + tokens.length);
      }
      const data = [ids, mask, new BigInt64Array(texts.length * length)];
      const tensors = NAMES.map((name, i) => [name, { datatype: "INT64", shape, data: data[i] ?? ids }] as const);
      return { kind: "tensors", tensors: new Map(tensors) };
    };
  },
});

function textOf(bytes: Uint8Array, at: number, { maxBytes }: Params): string {
  if (bytes.byteLength > maxBytes)
    throw new StepFault(`element ${at} has ${bytes.byteLength} bytes; maxBytes is ${maxBytes}`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new StepFault(`element ${at} is not UTF-8`);
  }
}

/** The tokens that are put before and behind every text. */
interface Around {
  readonly before: readonly number[];
  readonly behind: readonly number[];
}

function aroundOf(tokenizer: TextTokenizer): Around {
  const nothing = tokenizer.tokensOf("");
  const something = tokenizer.tokensOf("a");
  const first = nothing.findIndex((token, i) => token !== something[i]);
  const at = first === -1 ? nothing.length : first;
  return { before: nothing.slice(0, at), behind: nothing.slice(at) };
}

function fitted(
  tokens: readonly number[],
  at: number,
  { given: { maxTokens, longer }, around }: { readonly given: Params; readonly around: Around },
): readonly number[] {
  if (tokens.length <= maxTokens) return tokens;
  if (longer === "refuse") throw new StepFault(`element ${at} has ${tokens.length} tokens; maxTokens is ${maxTokens}`);
  return [...tokens.slice(0, maxTokens - around.behind.length), ...around.behind];
}
