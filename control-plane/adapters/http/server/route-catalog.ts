import type { ModelCatalog } from "../../../app/catalog/model-catalog.ts";
import type { Releases } from "../../../app/catalog/releases.ts";
import type { Uploads } from "../../../app/catalog/uploads.ts";

/** What the routes need of the model catalog. */
export type Catalog = Pick<
  ModelCatalog,
  | "createModel"
  | "listModels"
  | "getModel"
  | "patchModel"
  | "deleteModel"
  | "deleteVersion"
  | "deleteAlias"
  | "listVersions"
  | "getVersion"
  | "moveAlias"
  | "artifact"
> & { readonly releases: Pick<Releases, "manifest" | "sign"> } & {
  readonly uploads: Pick<Uploads, "declare" | "unfinished" | "progress" | "append" | "complete">;
};
