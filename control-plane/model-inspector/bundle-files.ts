import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { MAX_DESCRIPTION_BYTES, MAX_TOKENIZER_BYTES, TOKENIZER_FILE } from "../../shared/text/encoder-files.ts";
import { jsonComplaint } from "../../shared/inference/http/json-guard.ts";
import { InspectionRefused } from "../core/catalog/inspection-refused.ts";
import { readFully } from "./file-reader.ts";
import type { CheckRequest } from "./messages.ts";

const MAX_DEPTH = 32;

/** Descriptions in JSON beside the graph of a bundle, each read once and only when it is asked for. */
export class BundleFiles {
  readonly main: string;
  readonly #files: ReadonlyMap<string, CheckRequest["files"][number]>;
  readonly #read = new Map<string, unknown>();

  constructor({ main, files }: Pick<CheckRequest, "main" | "files">) {
    this.main = main;
    this.#files = new Map(files.map((file) => [file.name, file]));
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /** Undefined when there is no such file. Throws `InspectionRefused` for one that is no JSON, or too large. */
  read(path: string): unknown {
    const file = this.#files.get(path);
    if (file === undefined) return undefined;
    if (!this.#read.has(path)) this.#read.set(path, parsed(file));
    return this.#read.get(path);
  }
}

function parsed({ name, path }: CheckRequest["files"][number]): unknown {
  const isTokenizer = name === TOKENIZER_FILE || name.endsWith(`/${TOKENIZER_FILE}`);
  const text = textOf(path, name, isTokenizer ? MAX_TOKENIZER_BYTES : MAX_DESCRIPTION_BYTES);
  // A vocabulary has a key for each token, `__proto__` perhaps among them; this process has none to lose.
  const complaint = isTokenizer ? undefined : jsonComplaint(text, MAX_DEPTH);
  if (complaint !== undefined) throw new InspectionRefused(`${name} ${complaint}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new InspectionRefused(`${name} is not valid JSON`);
  }
}

function textOf(path: string, name: string, most: number): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = fstatSync(fd);
    if (size > most) throw new InspectionRefused(`${name} has ${size} bytes; at most ${most} are read`);
    const bytes = new Uint8Array(size);
    readFully(fd, 0, bytes);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new InspectionRefused(`${name} is not UTF-8`);
    throw error;
  } finally {
    closeSync(fd);
  }
}
