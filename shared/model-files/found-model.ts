import type { Runtime } from "../protocol/model-files/bundle.ts";

/** A file to push: where it is in its folder, and its path in the bundle. */
export interface FoundFile {
  readonly source: string;
  readonly path: string;
}

/** What a push sends: one file without a name, or a bundle. */
export interface FoundModel {
  readonly runtime: Runtime;
  readonly main: string;
  readonly files: readonly FoundFile[];
  /** The model's name, when the folder says one. */
  readonly name?: string;
  /** What was found and what of it is not sent, in sentences. */
  readonly notes: readonly string[];
}
