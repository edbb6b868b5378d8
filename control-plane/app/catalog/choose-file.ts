import type { ModelVersion } from "../../../shared/api/v1/models.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { BundleFile } from "../../../shared/protocol/model-files/bundle.ts";

/** The file of a version at `path`; without a path, its only file. Throws `NOT_FOUND`, and `CONFLICT` when it is not clear which file is meant. */
export function chooseFile(of: ModelVersion, path: string | undefined): BundleFile {
  const name = `${of.model}:${of.version}`;
  const [only, ...more] = of.files;
  if (path === undefined && only !== undefined && more.length === 0) return only;
  const paths = of.files.map((file) => file.path).join(", ");
  if (path === undefined)
    throw new SkerryError("CONFLICT", `${name} has ${of.files.length} files, name one as \`file\`: ${paths}`);
  const found = of.files.find((file) => file.path === path);
  if (!found) throw new SkerryError("NOT_FOUND", `${name} has no file ${path}; it has ${paths}`);
  return found;
}
