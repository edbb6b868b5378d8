import type { ArtifactStore } from "../../ports/catalog/artifacts.ts";
import type { CatalogStore } from "../../ports/catalog/catalog.ts";

/**
 * Deletes those of the files that no version needs any more. It asks the catalog instead of believing its caller,
 * because versions of other models may have the same bytes, also ones that are being uploaded now. Only called for files
 * of something that was deleted: a sweep over all files would empty the store of an operator who names the wrong database.
 */
export async function reclaimFiles(
  { catalog, artifacts }: { readonly catalog: CatalogStore; readonly artifacts: ArtifactStore },
  sha256s: readonly string[],
): Promise<void> {
  const needed = new Set<string>();
  for (const { name } of await catalog.listModels()) {
    for (const version of await catalog.listVersions(name))
      if (version.state !== "rejected") for (const { sha256 } of version.files) needed.add(sha256);
  }
  for (const sha256 of new Set(sha256s)) if (!needed.has(sha256)) await artifacts.remove(sha256);
}
