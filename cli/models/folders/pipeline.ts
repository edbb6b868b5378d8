import { readFile, stat } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { parse } from "yaml";
import { messageOf } from "../../../shared/base/errors.ts";
import { bundleFilesOf, MAX_PIPELINE_BYTES, modelFilesOf, readDocument } from "../../../shared/pipeline/document.ts";
import { PIPELINE_FILE } from "../../../shared/protocol/bundle.ts";
import { externalLocations } from "../external-locations.ts";
import { fileSize } from "../hash-file.ts";
import { unfit } from "./folder.ts";

interface FoundPipeline {
  readonly files: readonly { readonly local: string; readonly path: string }[];
  readonly notes: readonly string[];
}

export const isYaml = (path: string): boolean => /\.ya?ml$/.test(path);

/**
 * A pipeline and the files that it names: graphs, each with its external data, and tokenizers. Throws a `CliFailure` that names the step with a mistake,
 * as far as the document alone shows it.
 */
export async function findPipeline(root: string, name: string): Promise<FoundPipeline> {
  const local = join(root, name);
  const { graphs, all } = await filesOf(local);
  const data = graphs.flatMap((file) => externalLocations(join(root, file)).map((at) => posix.join(dirname(file), at)));
  const beside = [...new Set([...all, ...data])].toSorted();
  for (const path of beside)
    if ((await stat(join(root, path)).catch(() => undefined)) === undefined)
      throw unfit(
        `${local} needs ${path}, which is not there`,
        "a step names a path from the folder of the pipeline",
        "put the file there, or name another one",
      );
  return {
    files: [{ local, path: PIPELINE_FILE }, ...beside.map((path) => ({ local: join(root, path), path }))],
    notes: [`${local} is a pipeline; it is pushed with ${beside.join(", ")}.`],
  };
}

async function filesOf(
  local: string,
): Promise<{ readonly graphs: readonly string[]; readonly all: readonly string[] }> {
  if ((await fileSize(local)) > MAX_PIPELINE_BYTES)
    throw notAPipeline(local, `it has more than ${MAX_PIPELINE_BYTES} bytes`);
  try {
    const document = readDocument(parse(await readFile(local, "utf8"), { maxAliasCount: 0 }));
    return { graphs: modelFilesOf(document), all: bundleFilesOf(document) };
  } catch (error) {
    throw notAPipeline(local, messageOf(error).slice(0, 500));
  }
}

const notAPipeline = (local: string, why: string): Error =>
  unfit(`${local} is no pipeline`, why, "mend the step that is named; docs/pipelines.md has all of them");
