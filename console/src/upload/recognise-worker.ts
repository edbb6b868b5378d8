import { parse } from "yaml";
import { findFile, findFolder } from "../../../shared/model-files/find-files.ts";
import { isUnfitModel, type ModelFolder } from "../../../shared/model-files/folder.ts";
import type { FoundModel } from "../../../shared/model-files/found-model.ts";
import type { Chosen } from "./chosen-files.ts";

/** What is asked: what was chosen, and which graph of it, when somebody said so. */
export interface RecogniseRequest {
  readonly chosen: Chosen;
  readonly main: string | undefined;
}

/** What the worker says: what it is, or why it is nothing to publish. */
export type RecogniseAnswer =
  | { readonly kind: "found"; readonly model: FoundModel }
  | { readonly kind: "unfit"; readonly what: string; readonly why: string; readonly fix: string }
  | { readonly kind: "failed"; readonly why: string };

/** Reads without waiting, which the rules of a folder need, and which a browser allows in a worker alone. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

// The command line has the same rules: this worker is the one place of the console that imports them.
self.addEventListener("message", ({ data }: MessageEvent<RecogniseRequest>) => self.postMessage(answerTo(data)));

function answerTo({ chosen, main }: RecogniseRequest): RecogniseAnswer {
  try {
    const folder = folderOf(chosen);
    const [only] = folder.paths;
    const model = chosen.isFolder || only === undefined ? findFolder(folder, main) : findFile(folder, only);
    return { kind: "found", model };
  } catch (error) {
    if (isUnfitModel(error)) return { kind: "unfit", what: error.what, why: error.why, fix: error.fix };
    return { kind: "failed", why: error instanceof Error ? error.message : String(error) };
  }
}

function folderOf({ name, isFolder, files }: Chosen): ModelFolder {
  const byPath = new Map(files.map(({ path, file }) => [path, file]));
  const reader = new FileReaderSync();
  return {
    root: name,
    paths: [...byPath.keys()].toSorted((a, b) => (a < b ? -1 : 1)),
    at: (path) => (isFolder ? `${name}/${path}` : path),
    size: (path) => byPath.get(path)?.size,
    read: (path, from, length) =>
      new Uint8Array(reader.readAsArrayBuffer((byPath.get(path) ?? new Blob()).slice(from, from + length))),
    parseYaml: (text, maxAliasCount) => parse(text, { maxAliasCount }),
  };
}
