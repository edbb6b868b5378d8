import { open, readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { FORMAT_HEAD_BYTES, foreignFormat, isGguf } from "../../shared/protocol/foreign-format.ts";
import { engineDocument, engineDocumentFaults } from "../../shared/protocol/engine-document.ts";
import {
  ENGINE_FILE,
  GGUF_FILE,
  mainFileOf,
  MODEL_FILE,
  PIPELINE_FILE,
  pathFault,
  pathsFault,
  type Runtime,
} from "../../shared/protocol/bundle.ts";
import { externalLocations } from "./external-locations.ts";
import { noGraph } from "./folders/checkpoint.ts";
import { type FoundGraph, listed, listFolder, unfit } from "./folders/folder.ts";
import { findDecoder, isDecoder } from "./folders/decoder.ts";
import { findEncoder } from "./folders/encoder.ts";
import { findPipeline, isYaml } from "./folders/pipeline.ts";
import { findMlflowGraph, MLMODEL } from "./folders/mlflow.ts";
import { findTritonGraph, isTritonModel, tritonModels } from "./folders/triton.ts";
import { fileSize } from "./hash-file.ts";

/** Of a document that names the model of an engine. */
const MAX_DOCUMENT_BYTES = 1_048_576;

/** A file to push: where it is here, and its path in the bundle. */
export interface LocalFile {
  readonly local: string;
  readonly path: string;
}

/** What a push sends: one file without a name, or a bundle. */
export interface LocalBundle {
  readonly runtime: Runtime;
  readonly main: string;
  readonly files: readonly LocalFile[];
  /** The model's name, when the folder says one. */
  readonly name?: string;
  /** What was found and what of it is not sent, in sentences. */
  readonly notes: readonly string[];
}

/**
 * The files behind a path: a document of an engine's model, an ONNX file with the files in which its tensors lie, a pipeline with the graphs that it names, or what a folder holds. Of an encoder
 * or a decoder it is the graph with what describes it; of an MLflow model or a Triton model the graph with its external data; of any other folder the graph with all files that are
 * no other graph's. `main` names the graph in a folder. Throws a `CliFailure` that names what is there instead.
 */
export async function findFiles(path: string, main?: string): Promise<LocalBundle> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  if (!isFolder && main !== undefined)
    throw unfit(`${path} is a file`, "--main names the graph in a folder", "push the folder, or leave --main out");
  const bundle = isFolder
    ? await folder(path, main)
    : isYaml(path)
      ? await pipeline(dirname(path), basename(path))
      : ((await textModel(path)) ?? (await engineModel(path)) ?? { ...(await graph(path)), notes: [] });
  if (bundle.files.length === 1) return bundle;
  for (const file of bundle.files) {
    const fault = pathFault(file.path);
    if (fault !== undefined) throw notInBundle(`${file.local} cannot be part of a bundle`, fault);
  }
  const fault = pathsFault(bundle.files.map((file) => file.path));
  if (fault !== undefined) throw notInBundle(`${path} cannot be pushed as a bundle`, fault);
  return bundle;
}

/** A file in GGUF, which has all of a text model in it; undefined for another one. */
async function textModel(path: string): Promise<LocalBundle | undefined> {
  await fileSize(path);
  const head = await headOf(path);
  if (!isGguf(head)) return undefined;
  return { runtime: "gguf", main: GGUF_FILE, files: [{ local: path, path: GGUF_FILE }], notes: [] };
}

/** A document that names the model of an engine; undefined for a file that is no JSON by its name. */
async function engineModel(path: string): Promise<LocalBundle | undefined> {
  if (!path.endsWith(".json")) return undefined;
  const bytes = await fileSize(path);
  const text = bytes <= MAX_DOCUMENT_BYTES ? await readFile(path, "utf8") : "";
  const parsed = engineDocument.safeParse(jsonOf(text));
  if (!parsed.success)
    throw unfit(
      `${path} declares no model of an engine`,
      engineDocumentFaults(parsed.error),
      'write {"model": "NAME AT THE ENGINE", "kind": "text"}; other kinds are embeddings and tensors (docs/large-models.md)',
    );
  return { runtime: "engine", main: ENGINE_FILE, files: [{ local: path, path: ENGINE_FILE }], notes: [] };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const pipeline = async (root: string, name: string): Promise<LocalBundle> => ({
  runtime: "pipeline",
  main: PIPELINE_FILE,
  ...(await findPipeline(root, name)),
});

async function graph(path: string): Promise<Pick<LocalBundle, "runtime" | "main" | "files">> {
  await fileSize(path);
  await refuseForeign(path);
  const locations = externalLocations(path);
  if (locations.length === 0) return { runtime: "onnx", main: MODEL_FILE, files: [{ local: path, path: MODEL_FILE }] };
  const main = basename(path);
  const files: LocalFile[] = [{ local: path, path: main }];
  for (const location of locations) {
    const fault = pathFault(location);
    if (fault !== undefined)
      throw notInBundle(`${path} has tensors in ${JSON.stringify(location)}, which cannot be part of a bundle`, fault);
    const local = join(dirname(path), location);
    if ((await stat(local).catch(() => undefined)) === undefined)
      throw notInBundle(
        `${path} has tensors in ${location}, and ${local} does not exist`,
        "a graph is pushed with its external data",
      );
    files.push({ local, path: location });
  }
  return { runtime: "onnx", main, files };
}

async function folder(root: string, main: string | undefined): Promise<LocalBundle> {
  const paths = await listFolder(root);
  if (paths.length === 0) throw notInBundle(`${root} holds no files`, "a folder is pushed with all files in it");
  if (paths.includes(PIPELINE_FILE) && (main === undefined || main === PIPELINE_FILE))
    return pipeline(root, PIPELINE_FILE);
  const encoder = findEncoder(root, paths, main);
  if (encoder !== undefined) return described(root, encoder, "embed");
  const decoder = findDecoder(root, paths, main);
  if (decoder !== undefined) return described(root, decoder, "generate");
  if (main === undefined) {
    const found = await describedGraph(root, paths);
    if (found !== undefined) {
      const { graph: at, ...rest } = found;
      return { ...(await graph(join(root, at))), ...rest };
    }
    const [model, ...more] = tritonModels(paths);
    if (model !== undefined && more.length === 0) return folder(join(root, model), undefined);
    if (model !== undefined)
      throw unfit(
        `${root} is a Triton model repository with ${more.length + 1} models: ${listed([model, ...more])}`,
        "a push publishes one model",
        `push one of them, for example ${join(root, model)}`,
      );
  }
  return wholeFolder(root, paths, main);
}

/** A graph with its external data and the files that describe it. */
async function described(
  root: string,
  found: { readonly graph: string; readonly beside: readonly string[]; readonly notes: readonly string[] },
  runtime: Runtime,
): Promise<LocalBundle> {
  const own = (await graph(join(root, found.graph))).files.map(({ local }) => relativeTo(root, local));
  const files = [...own, ...found.beside].toSorted().map((path) => ({ local: join(root, path), path }));
  return { runtime, main: found.graph, files, notes: found.notes };
}

const relativeTo = (root: string, local: string): string => relative(root, local).split(sep).join("/");

/** The graph as the folder's own description names it; undefined when it has none. */
async function describedGraph(root: string, paths: readonly string[]): Promise<FoundGraph | undefined> {
  if (paths.includes(MLMODEL)) return findMlflowGraph(root, paths);
  if (isTritonModel(paths)) return findTritonGraph(root, paths);
  return undefined;
}

/** A graph with everything beside it but the other graphs and what belongs to them. */
async function wholeFolder(root: string, paths: readonly string[], named: string | undefined): Promise<LocalBundle> {
  const graphs = paths.filter((path) => path.endsWith(".onnx"));
  if (named === undefined && graphs.length === 0) throw noGraph(root, paths);
  const found = mainFileOf(paths, named);
  if ("fault" in found)
    throw unfit(
      `${root} cannot be pushed as a bundle`,
      named === undefined ? `it holds several graphs: ${listed(graphs)}` : `it has no file ${named}`,
      `name the graph with --main, for example --main ${graphs[0] ?? paths[0] ?? "model.onnx"}`,
    );
  const { main } = found;
  const own = await graph(join(root, main));
  const asTensors = isDecoder(join(root, main))
    ? [
        `${main} is a decoder with its cache: without tokenizer.json and config.json in the folder it is published as a model of tensors, and writes no text.`,
      ]
    : [];
  const [only, ...more] = paths;
  if (only !== undefined && more.length === 0) return { ...own, notes: asTensors };
  const prefix = main.slice(0, main.lastIndexOf("/") + 1);
  const needed = new Set(own.files.length === 1 ? [main] : own.files.map(({ path }) => prefix + path));
  const others = new Set(graphs.filter((path) => path !== main).flatMap((path) => [path, ...dataOf(root, path)]));
  const left = [...others].filter((path) => !needed.has(path));
  const sent = [...new Set([...paths, ...needed])].filter((path) => needed.has(path) || !others.has(path)).toSorted();
  const empty = await emptyOf(root, sent);
  return {
    runtime: "onnx",
    main,
    files: sent.filter((path) => !empty.includes(path)).map((path) => ({ local: join(root, path), path })),
    notes: [
      ...asTensors,
      ...(left.length === 0 ? [] : [`Not sent, as they are other graphs: ${listed(left)}.`]),
      ...(empty.length === 0 ? [] : [`Not sent, as they are empty: ${listed(empty)}.`]),
    ],
  };
}

/** PyTorch's exporter writes an empty data file beside a graph that holds its few weights itself. */
async function emptyOf(root: string, paths: readonly string[]): Promise<readonly string[]> {
  const sizes = await Promise.all(paths.map(async (path) => (await stat(join(root, path))).size));
  return paths.filter((_, at) => sizes[at] === 0);
}

/** Paths of a graph's external data in the folder. */
function dataOf(root: string, path: string): readonly string[] {
  const prefix = path.slice(0, path.lastIndexOf("/") + 1);
  return externalLocations(join(root, path)).map((location) => prefix + location);
}

/** Refuses a file whose beginning, name or neighbour tells that it is no ONNX model, before any of it is sent. */
async function refuseForeign(path: string): Promise<void> {
  const format = foreignFormat(await headOf(path));
  if (format !== undefined) throw unfit(`${path} is no ONNX file`, `it is ${format.is}`, format.fix);
  if (path.endsWith(".onnx")) return;
  const name = basename(path);
  const graphs = (await readdir(dirname(path))).filter((entry) => entry.endsWith(".onnx"));
  const owner = graphs.find((entry) => externalLocations(join(dirname(path), entry)).includes(name));
  if (owner !== undefined)
    throw unfit(
      `${path} is the data half of an export`,
      `it holds the tensors of ${owner}`,
      `push ${join(dirname(path), owner)}: its data is sent along`,
    );
  if (/\.onnx[._-]?data$|\.data$/.test(name))
    throw unfit(
      `${path} looks like the data half of an export`,
      "its graph, the .onnx file that the exporter wrote with it, is not beside it",
      "put both into one folder and push the .onnx file",
    );
}

async function headOf(path: string): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const head = new Uint8Array(FORMAT_HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const notInBundle = (what: string, why: string): Error =>
  unfit(what, why, "push a folder with one .onnx file and what it needs, or the .onnx file itself");
