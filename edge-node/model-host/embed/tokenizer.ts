import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";

/** Texts as the numbers that a model was trained with. */
export interface TextTokenizer {
  /** With the tokens that it adds around a text. */
  tokensOf(text: string): readonly number[];
}

/** Reads `tokenizer.json`, and the settings beside it if there are any. What they say of padding and cutting has no effect. */
export function openTokenizer(file: string, settingsFile: string | undefined): TextTokenizer {
  const settings = settingsFile === undefined ? {} : read(settingsFile);
  const tokenizer = new Tokenizer(read(file), settings);
  return { tokensOf: (text) => tokenizer.encode(text).ids };
}

function read(file: string): object {
  const value: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (typeof value === "object" && value !== null) return value;
  throw new Error(`${file} holds no object`);
}
