import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
import type { TextTokenizer } from "../../../shared/text/text-tokenizer.ts";

/** Reads `tokenizer.json`, and the settings beside it if there are any. What they say of padding and cutting has no effect. */
export function openTokenizer(file: string, settingsFile?: string): TextTokenizer {
  const settings = settingsFile === undefined ? {} : read(settingsFile);
  const tokenizer = new Tokenizer(read(file), settings);
  return { tokensOf: (text) => tokenizer.encode(text).ids };
}

function read(file: string): object {
  const value: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (typeof value === "object" && value !== null) return value;
  throw new Error(`${file} holds no object`);
}
