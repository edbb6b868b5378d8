import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { mainFileOf, MODEL_FILE, pathFault, pathsFault } from "../../shared/protocol/bundle.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { externalLocations } from "./external-locations.ts";
import { fileSize } from "./hash-file.ts";

/** A file to push: where it is here, and its path in the bundle. */
export interface LocalFile {
  readonly local: string;
  readonly path: string;
}

/** What a push sends: one file without a name, or a bundle. */
export interface LocalBundle {
  readonly main: string;
  readonly files: readonly LocalFile[];
}

/**
 * The files behind a path: an ONNX file with the files in which its tensors lie, or all files of a folder but hidden ones.
 * Throws a `CliFailure` that names the file at fault.
 */
export async function findFiles(path: string): Promise<LocalBundle> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  const bundle = isFolder ? await folder(path) : await graph(path);
  if (bundle.files.length === 1) return bundle;
  for (const file of bundle.files) {
    const fault = pathFault(file.path);
    if (fault !== undefined) throw unfit(`${file.local} cannot be part of a bundle`, fault);
  }
  const fault = pathsFault(bundle.files.map((file) => file.path));
  if (fault !== undefined) throw unfit(`${path} cannot be pushed as a bundle`, fault);
  return bundle;
}

async function graph(path: string): Promise<LocalBundle> {
  await fileSize(path);
  const locations = externalLocations(path);
  if (locations.length === 0) return { main: MODEL_FILE, files: [{ local: path, path: MODEL_FILE }] };
  const main = basename(path);
  const files: LocalFile[] = [{ local: path, path: main }];
  for (const location of locations) {
    const fault = pathFault(location);
    if (fault !== undefined)
      throw unfit(`${path} has tensors in ${JSON.stringify(location)}, which cannot be part of a bundle`, fault);
    const local = join(dirname(path), location);
    if ((await stat(local).catch(() => undefined)) === undefined)
      throw unfit(
        `${path} has tensors in ${location}, and ${local} does not exist`,
        "a graph is pushed with its external data",
      );
    files.push({ local, path: location });
  }
  return { main, files };
}

async function folder(root: string): Promise<LocalBundle> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((local) => ({ local, path: local.slice(join(root, sep).length).split(sep).join("/") }))
    .filter(({ path }) => !path.split("/").some((part) => part.startsWith(".")))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  if (files.length === 0) throw unfit(`${root} holds no files`, "a folder is pushed with all files in it");
  const found = mainFileOf(
    files.map(({ path }) => path),
    undefined,
  );
  if ("fault" in found)
    throw unfit(`${root} cannot be pushed as a bundle`, found.fault.replace(/: name the graph.*/, ""));
  const [only, ...more] = files;
  if (only && more.length === 0) return { main: MODEL_FILE, files: [{ local: only.local, path: MODEL_FILE }] };
  return { main: found.main, files };
}

const unfit = (what: string, why: string): CliFailure =>
  new CliFailure(EXIT.error, {
    what,
    why: [why],
    fix: "push a folder with one .onnx file and what it needs, or the .onnx file itself",
  });
