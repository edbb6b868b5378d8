import { type FoundGraph, listed, type ModelFolder, textOf, unfit } from "./folder.ts";

/** The file that describes a model in a Triton model repository. */
const CONFIG = "config.pbtxt";
const DEFAULT_FILE = "model.onnx";
const VERSION_FOLDER = /^([1-9]\d*)\//;

/** Settings that change nothing here: the graph says it, or the other settings are read. */
const UNDERSTOOD = new Set([
  "name",
  "platform",
  "backend",
  "default_model_filename",
  "input",
  "output",
  "max_batch_size",
]);

/** Whether a folder is one model of a Triton repository: a configuration, or numbered versions with an ONNX file. */
export const isTritonModel = (paths: readonly string[]): boolean =>
  paths.includes(CONFIG) || paths.some((path) => /^[1-9]\d*\/model\.onnx(\/|$)/.test(path));

/** The models of a whole repository: folders in it that are one each. */
export function tritonModels(paths: readonly string[]): readonly string[] {
  const folders = [...new Set(paths.filter((path) => path.includes("/")).map((path) => path.split("/")[0] ?? ""))];
  return folders.filter((folder) => paths.includes(`${folder}/${CONFIG}`));
}

/** The graph of the newest version of a Triton model. Throws `UnfitModel` when it is for another backend. */
export function findTritonGraph(folder: ModelFolder): FoundGraph {
  const { root, paths } = folder;
  const config = paths.includes(CONFIG) ? topLevel(textOf(folder, CONFIG)) : new Map();
  const kind = config.get("platform") ?? config.get("backend") ?? "onnxruntime";
  if (kind !== "onnxruntime_onnx" && kind !== "onnxruntime")
    throw unfit(
      `${root} is a Triton model for ${kind}, and only onnxruntime_onnx can be served`,
      "Skerry runs ONNX graphs",
      kind === "ensemble" || kind === "python"
        ? "push the models that it calls, one by one"
        : "export the model as ONNX and push the file",
    );
  const versions = paths.map((path) => Number(VERSION_FOLDER.exec(path)?.[1] ?? 0)).filter((version) => version > 0);
  const newest = Math.max(...versions);
  const file = `${newest}/${config.get("default_model_filename") ?? DEFAULT_FILE}`;
  // With external data Triton wants a folder of that name with both in it.
  const graph = [file, `${file}/${DEFAULT_FILE}`].find((path) => paths.includes(path));
  if (graph === undefined)
    throw unfit(
      `${root} is a Triton model without a version to push`,
      versions.length === 0 ? "it has no folder with a version's number" : `there is no ${file}`,
      "push the ONNX file itself",
    );
  const without = [...config.keys()].filter((key) => !UNDERSTOOD.has(key));
  const name = config.get("name") || undefined;
  return {
    graph,
    ...(name !== undefined && { name }),
    notes: [
      `${root} is a Triton model: ${graph} is pushed${new Set(versions).size > 1 ? ", its newest version" : ""}.`,
      ...(without.length === 0 ? [] : [`Settings of ${CONFIG} without effect here: ${listed(without)}.`]),
    ],
  };
}

/** The fields of a text protobuf's outermost message; of messages in it only that they are there (an empty text). */
function topLevel(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  let depth = 0;
  let key = "";
  for (const [token] of text.matchAll(/#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z0-9_.+-]+|[{}[\]]/g)) {
    if (token.startsWith("#")) continue;
    if (token === "{" || token === "[") {
      if (depth === 0 && key !== "") fields.set(key, "");
      key = "";
      depth += 1;
    } else if (token === "}" || token === "]") depth -= 1;
    else if (depth > 0) continue;
    else if (key === "") key = token;
    else {
      fields.set(key, token.replaceAll(/^["']|["']$/g, ""));
      key = "";
    }
  }
  return fields;
}
