import { messageOf } from "../base/errors.ts";
import { bundleFilesOf, MAX_PIPELINE_BYTES, modelFilesOf, readNewDocument } from "../pipeline/document.ts";
import { PIPELINE_FILE } from "../protocol/model-files/bundle.ts";
import { externalLocations } from "./external-locations.ts";
import { beside, type ModelFolder, textOf, unfit } from "./folder.ts";
import type { FoundFile } from "./found-model.ts";

export const isYaml = (path: string): boolean => /\.ya?ml$/.test(path);

/**
 * A pipeline and the files that it names: graphs, each with its external data, and tokenizers. Throws `UnfitModel` that names
 * the step with a mistake, as far as the document alone shows it.
 */
export function findPipeline(
  folder: ModelFolder,
  name: string,
): { readonly files: readonly FoundFile[]; readonly notes: readonly string[] } {
  const local = folder.at(name);
  const { graphs, named } = filesOf(folder, name);
  for (const path of named) refuseMissing(folder, local, path);
  const data = graphs.flatMap((file) => externalLocations(folder, file).map((location) => beside(file, location)));
  const all = [...new Set([...named, ...data])].toSorted();
  for (const path of all) refuseMissing(folder, local, path);
  return {
    files: [{ source: name, path: PIPELINE_FILE }, ...all.map((path) => ({ source: path, path }))],
    notes: [`${local} is a pipeline; it is pushed with ${all.join(", ")}.`],
  };
}

function refuseMissing(folder: ModelFolder, local: string, path: string): void {
  if (folder.size(path) === undefined)
    throw unfit(
      `${local} needs ${path}, which is not there`,
      "a step names a path from the folder of the pipeline",
      "put the file there, or name another one",
    );
}

function filesOf(
  folder: ModelFolder,
  name: string,
): { readonly graphs: readonly string[]; readonly named: readonly string[] } {
  if ((folder.size(name) ?? 0) > MAX_PIPELINE_BYTES)
    throw notAPipeline(folder.at(name), `it has more than ${MAX_PIPELINE_BYTES} bytes`);
  try {
    const document = readNewDocument(folder.parseYaml(textOf(folder, name), 0));
    return { graphs: modelFilesOf(document), named: bundleFilesOf(document) };
  } catch (error) {
    throw notAPipeline(folder.at(name), messageOf(error).slice(0, 500));
  }
}

const notAPipeline = (local: string, why: string): Error =>
  unfit(`${local} is no pipeline`, why, "mend the step that is named; docs/pipelines.md has all of them");
