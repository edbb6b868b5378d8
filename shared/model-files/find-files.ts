import { engineDocument, engineDocumentFaults } from "../protocol/model-files/engine-document.ts";
import {
  ENGINE_FILE,
  GGUF_FILE,
  mainFileOf,
  MODEL_FILE,
  PIPELINE_FILE,
  pathFault,
  pathsFault,
  type Runtime,
} from "../protocol/model-files/bundle.ts";
import { FORMAT_HEAD_BYTES, foreignFormat, isGguf } from "../protocol/model-files/foreign-format.ts";
import { noGraph } from "./checkpoint.ts";
import { findDecoder, isDecoder } from "./decoder.ts";
import { findEncoder } from "./encoder.ts";
import { externalLocations } from "./external-locations.ts";
import { beside, type FoundGraph, listed, type ModelFolder, nameOf, textOf, unfit } from "./folder.ts";
import type { FoundFile, FoundModel } from "./found-model.ts";
import { findMlflowGraph, MLMODEL } from "./mlflow.ts";
import { findPipeline, isYaml } from "./pipeline.ts";
import { declaredVariants } from "./variants.ts";
import { findTritonGraph, isTritonModel, tritonModels } from "./triton.ts";

/** Of a document that names the model of an engine. */
const MAX_DOCUMENT_BYTES = 1_048_576;

/**
 * The files behind one file of a folder: a document of an engine's model, an ONNX file with the files in which its tensors
 * lie, or a pipeline with the graphs that it names. Throws `UnfitModel` that names what is there instead.
 */
export const findFile = (folder: ModelFolder, path: string): FoundModel =>
  checked(
    folder,
    isYaml(path)
      ? pipeline(folder, path)
      : (textModel(folder, path) ?? engineModel(folder, path) ?? { ...graph(folder, path), notes: [] }),
  );

/**
 * What a folder holds. Of an encoder or a decoder it is the graph with what describes it; of an MLflow model or a Triton model
 * the graph with its external data; of any other folder the graph with all files that are no other graph's. `main` names the
 * graph. Throws `UnfitModel` that names what is there instead.
 */
export const findFolder = (folder: ModelFolder, main?: string): FoundModel => checked(folder, whatHolds(folder, main));

function checked(folder: ModelFolder, model: FoundModel): FoundModel {
  if (model.files.length === 1) return model;
  for (const { source, path } of model.files) {
    const fault = pathFault(path);
    if (fault !== undefined) throw notInBundle(`${folder.at(source)} cannot be part of a bundle`, fault);
  }
  const fault = pathsFault(model.files.map(({ path }) => path));
  if (fault !== undefined) throw notInBundle(`${folder.root} cannot be pushed as a bundle`, fault);
  return model;
}

/** A file in GGUF, which has all of a text model in it; undefined for another one. */
function textModel(folder: ModelFolder, path: string): FoundModel | undefined {
  if (!isGguf(headOf(folder, path))) return undefined;
  return { runtime: "gguf", main: GGUF_FILE, files: [{ source: path, path: GGUF_FILE }], notes: [] };
}

/** A document that names the model of an engine; undefined for a file that is no JSON by its name. */
function engineModel(folder: ModelFolder, path: string): FoundModel | undefined {
  if (!path.endsWith(".json")) return undefined;
  const text = (folder.size(path) ?? 0) <= MAX_DOCUMENT_BYTES ? textOf(folder, path) : "";
  const parsed = engineDocument.safeParse(jsonOf(text));
  if (!parsed.success)
    throw unfit(
      `${folder.at(path)} declares no model of an engine`,
      engineDocumentFaults(parsed.error),
      'write {"model": "NAME AT THE ENGINE", "kind": "text"}; other kinds are embeddings and tensors (docs/large-models.md)',
    );
  return { runtime: "engine", main: ENGINE_FILE, files: [{ source: path, path: ENGINE_FILE }], notes: [] };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const pipeline = (folder: ModelFolder, name: string): FoundModel => ({
  runtime: "pipeline",
  main: PIPELINE_FILE,
  ...findPipeline(folder, name),
});

function graph(folder: ModelFolder, path: string): Pick<FoundModel, "runtime" | "main" | "files"> {
  refuseForeign(folder, path);
  const locations = externalLocations(folder, path);
  if (locations.length === 0) return { runtime: "onnx", main: MODEL_FILE, files: [{ source: path, path: MODEL_FILE }] };
  const main = nameOf(path);
  const files: FoundFile[] = [{ source: path, path: main }];
  for (const location of locations) {
    const fault = pathFault(location);
    if (fault !== undefined)
      throw notInBundle(
        `${folder.at(path)} has tensors in ${JSON.stringify(location)}, which cannot be part of a bundle`,
        fault,
      );
    const source = beside(path, location);
    if (folder.size(source) === undefined)
      throw notInBundle(
        `${folder.at(path)} has tensors in ${location}, and ${folder.at(source)} does not exist`,
        "a graph is pushed with its external data",
      );
    files.push({ source, path: location });
  }
  return { runtime: "onnx", main, files };
}

function whatHolds(folder: ModelFolder, main: string | undefined): FoundModel {
  const { root, paths } = folder;
  if (paths.length === 0) throw notInBundle(`${root} holds no files`, "a folder is pushed with all files in it");
  if (paths.includes(PIPELINE_FILE) && (main === undefined || main === PIPELINE_FILE))
    return pipeline(folder, PIPELINE_FILE);
  const encoder = findEncoder(folder, main);
  if (encoder !== undefined) return described(folder, encoder, "embed");
  const decoder = findDecoder(folder, main);
  if (decoder !== undefined) return described(folder, decoder, "generate");
  if (main === undefined) {
    const found = describedGraph(folder);
    if (found !== undefined) {
      const { graph: at, ...rest } = found;
      return { ...graph(folder, at), ...rest };
    }
    const [model, ...more] = tritonModels(paths);
    if (model !== undefined && more.length === 0) return innerModel(folder, model);
    if (model !== undefined)
      throw unfit(
        `${root} is a Triton model repository with ${more.length + 1} models: ${listed([model, ...more])}`,
        "a push publishes one model",
        `push one of them, for example ${folder.at(model)}`,
      );
  }
  return wholeFolder(folder, main);
}

/** What a folder in the folder holds. */
function innerModel(folder: ModelFolder, inner: string): FoundModel {
  const { files, ...found } = whatHolds(within(folder, inner), undefined);
  return { ...found, files: files.map(({ source, path }) => ({ source: `${inner}/${source}`, path })) };
}

function within(folder: ModelFolder, inner: string): ModelFolder {
  const outer = (path: string): string => `${inner}/${path}`;
  return {
    root: folder.at(inner),
    paths: folder.paths.filter((path) => path.startsWith(`${inner}/`)).map((path) => path.slice(inner.length + 1)),
    at: (path) => folder.at(outer(path)),
    size: (path) => folder.size(outer(path)),
    read: (path, from, length) => folder.read(outer(path), from, length),
    parseYaml: (text, maxAliases) => folder.parseYaml(text, maxAliases),
  };
}

/** A graph with its external data and the files that describe it. */
function described(
  folder: ModelFolder,
  found: { readonly graph: string; readonly beside: readonly string[]; readonly notes: readonly string[] },
  runtime: Runtime,
): FoundModel {
  const own = graph(folder, found.graph).files.map(({ source }) => source);
  const files = [...own, ...found.beside].toSorted().map((path) => ({ source: path, path }));
  return { runtime, main: found.graph, files, notes: found.notes };
}

/** The graph as the folder's own description names it; undefined when it has none. */
function describedGraph(folder: ModelFolder): FoundGraph | undefined {
  if (folder.paths.includes(MLMODEL)) return findMlflowGraph(folder);
  if (isTritonModel(folder.paths)) return findTritonGraph(folder);
  return undefined;
}

/** A graph with everything beside it but the other graphs and what belongs to them. */
function wholeFolder(folder: ModelFolder, named: string | undefined): FoundModel {
  const { root, paths } = folder;
  const graphs = paths.filter((path) => path.endsWith(".onnx"));
  if (named === undefined && graphs.length === 0) throw noGraph(root, paths);
  const variants = declaredVariants(folder);
  const found = mainFileOf(named === undefined ? paths.filter((path) => !variants.includes(path)) : paths, named);
  if ("fault" in found)
    throw unfit(
      `${root} cannot be pushed as a bundle`,
      named === undefined ? `it holds several graphs: ${listed(graphs)}` : `it has no file ${named}`,
      `name the graph with --main, for example --main ${graphs[0] ?? paths[0] ?? "model.onnx"}`,
    );
  const { main } = found;
  const own = graph(folder, main);
  const asTensors = isDecoder(folder, main)
    ? [
        `${main} is a decoder with its cache: without tokenizer.json and config.json in the folder it is published as a model of tensors, and writes no text.`,
      ]
    : [];
  const [only, ...more] = paths;
  if (only !== undefined && more.length === 0) return { ...own, notes: asTensors };
  const prefix = main.slice(0, main.lastIndexOf("/") + 1);
  const needed = new Set([
    ...(own.files.length === 1 ? [main] : own.files.map(({ path }) => prefix + path)),
    ...variants.flatMap((path) => [path, ...dataOf(folder, path)]),
  ]);
  const others = new Set(graphs.filter((path) => path !== main).flatMap((path) => [path, ...dataOf(folder, path)]));
  const left = [...others].filter((path) => !needed.has(path));
  const sent = [...new Set([...paths, ...needed])].filter((path) => needed.has(path) || !others.has(path)).toSorted();
  // PyTorch's exporter writes an empty data file beside a graph that holds its few weights itself.
  const empty = sent.filter((path) => folder.size(path) === 0);
  return {
    runtime: "onnx",
    main,
    files: sent.filter((path) => !empty.includes(path)).map((path) => ({ source: path, path })),
    notes: [
      ...asTensors,
      ...(variants.length === 0 ? [] : [`${main} is pushed with its variants: ${listed(variants)}.`]),
      ...(left.length === 0 ? [] : [`Not sent, as they are other graphs: ${listed(left)}.`]),
      ...(empty.length === 0 ? [] : [`Not sent, as they are empty: ${listed(empty)}.`]),
    ],
  };
}

/** Paths of a graph's external data in the folder. */
const dataOf = (folder: ModelFolder, path: string): readonly string[] =>
  externalLocations(folder, path).map((location) => beside(path, location));

/** Refuses a file whose beginning, name or neighbour tells that it is no ONNX model, before any of it is sent. */
function refuseForeign(folder: ModelFolder, path: string): void {
  const at = folder.at(path);
  if (folder.size(path) === 0)
    throw unfit(`${at} is empty`, "a graph has some bytes at least", "export the model again");
  const format = foreignFormat(headOf(folder, path));
  if (format !== undefined) throw unfit(`${at} is no ONNX file`, `it is ${format.is}`, format.fix);
  if (path.endsWith(".onnx")) return;
  const isNeighbour = (other: string): boolean => other === beside(path, nameOf(other));
  const owner = folder.paths
    .filter((other) => other.endsWith(".onnx") && isNeighbour(other))
    .find((other) => externalLocations(folder, other).includes(nameOf(path)));
  if (owner !== undefined)
    throw unfit(
      `${at} is the data half of an export`,
      `it holds the tensors of ${nameOf(owner)}`,
      `push ${folder.at(owner)}: its data is sent along`,
    );
  if (/\.onnx[._-]?data$|\.data$/.test(path))
    throw unfit(
      `${at} looks like the data half of an export`,
      "its graph, the .onnx file that the exporter wrote with it, is not beside it",
      "put both into one folder and push the .onnx file",
    );
}

const headOf = (folder: ModelFolder, path: string): Uint8Array => folder.read(path, 0, FORMAT_HEAD_BYTES);

const notInBundle = (what: string, why: string): Error =>
  unfit(what, why, "push a folder with one .onnx file and what it needs, or the .onnx file itself");
