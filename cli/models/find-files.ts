import { closeSync, openSync, readSync, statSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { parse } from "yaml";
import { findFile, findFolder } from "../../shared/model-files/find-files.ts";
import { isUnfitModel, type ModelFolder, unfit } from "../../shared/model-files/folder.ts";
import type { FoundModel } from "../../shared/model-files/found-model.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { fileSize } from "./hash-file.ts";

/** A file to push: where it is here, and its path in the bundle. */
export interface LocalFile {
  readonly local: string;
  readonly path: string;
}

/** What a push sends, see `FoundModel`. */
export interface LocalBundle extends Omit<FoundModel, "files"> {
  readonly files: readonly LocalFile[];
}

/**
 * The files behind a path, as `findFile` and `findFolder` know it. `main` names the graph in a folder. Throws a `CliFailure`
 * that names what is there instead.
 */
export async function findFiles(path: string, main?: string): Promise<LocalBundle> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  try {
    if (!isFolder && main !== undefined)
      throw unfit(`${path} is a file`, "--main names the graph in a folder", "push the folder, or leave --main out");
    if (isFolder) return localised(path, findFolder(onDisk(path, await filesIn(path)), main));
    await fileSize(path);
    const folder = onDisk(dirname(path), (await readdir(dirname(path))).toSorted());
    return localised(folder.root, findFile(folder, basename(path)));
  } catch (error) {
    if (!isUnfitModel(error)) throw error;
    const { what, why, fix } = error;
    throw new CliFailure(EXIT.error, { what, why: [why], fix }, { cause: error });
  }
}

const localised = (root: string, { files, ...found }: FoundModel): LocalBundle => ({
  ...found,
  files: files.map(({ source, path }) => ({ local: join(root, source), path })),
});

const onDisk = (root: string, paths: readonly string[]): ModelFolder => ({
  root,
  paths,
  at: (path) => join(root, path),
  size: (path) => statSync(join(root, path), { throwIfNoEntry: false })?.size,
  read: (path, from, length) => readPart(join(root, path), from, length),
  parseYaml: (text, maxAliasCount) => parse(text, { maxAliasCount }),
});

/** Bytes of a file from `from` on, at most `length`. */
export function readPart(path: string, from: number, length: number): Uint8Array {
  const file = openSync(path, "r");
  try {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, from));
  } finally {
    closeSync(file);
  }
}

/** The files of a folder that count, by their paths in it with `/`, in order. Hidden ones do not. */
async function filesIn(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((local) => local.slice(join(root, sep).length).split(sep).join("/"))
    .filter((path) => !path.split("/").some((part) => part.startsWith(".")))
    .toSorted((a, b) => (a < b ? -1 : 1));
}
