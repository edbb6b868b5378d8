import type { ModelCatalog } from "../../../app/catalog/model-catalog.ts";

/** What the routes need of the model catalogue. */
export type Catalog = Pick<
  ModelCatalog,
  | "createModel"
  | "listModels"
  | "getModel"
  | "patchModel"
  | "deleteModel"
  | "deleteVersion"
  | "deleteAlias"
  | "declareVersion"
  | "listVersions"
  | "getVersion"
  | "unfinishedUpload"
  | "uploadProgress"
  | "append"
  | "complete"
  | "moveAlias"
  | "artifact"
>;
