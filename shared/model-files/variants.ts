import { messageOf } from "../base/errors.ts";
import {
  MAX_VARIANTS_BYTES,
  VARIANTS_FILE,
  variantsDocument,
  variantsFault,
} from "../protocol/model-files/variants.ts";
import { type ModelFolder, textOf, unfit } from "./folder.ts";

/** Paths of the graphs that a folder declares as variants of another one; empty: it declares none. Throws `UnfitModel`. */
export function declaredVariants(folder: ModelFolder): readonly string[] {
  const bytes = folder.size(VARIANTS_FILE);
  if (bytes === undefined) return [];
  const parsed = variantsDocument.safeParse(documentOf(folder, bytes));
  if (!parsed.success) throw notVariants(folder, variantsFault(parsed.error));
  const files = parsed.data.variants.map(({ file }) => file);
  const missing = files.find((file) => folder.size(file) === undefined);
  if (missing !== undefined)
    throw unfit(
      `${folder.at(VARIANTS_FILE)} names ${missing}, which is not there`,
      "a variant names a path from the folder",
      "put the graph there, or name another one",
    );
  return files;
}

function documentOf(folder: ModelFolder, bytes: number): unknown {
  if (bytes > MAX_VARIANTS_BYTES) throw notVariants(folder, `it has more than ${MAX_VARIANTS_BYTES} bytes`);
  try {
    return folder.parseYaml(textOf(folder, VARIANTS_FILE), 0);
  } catch (error) {
    throw notVariants(folder, messageOf(error).slice(0, 300));
  }
}

const notVariants = (folder: ModelFolder, why: string): Error =>
  unfit(
    `${folder.at(VARIANTS_FILE)} declares no variants`,
    why,
    "write `variants: [{ name: int8, file: model.int8.onnx }]`; docs/variants.md has all of it",
  );
