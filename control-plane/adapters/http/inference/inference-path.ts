import { OBJECT_NAME } from "../../../../shared/api/v1/common.ts";
import { decodedSegment } from "../../../../shared/base/path-segment.ts";

/** What an inference URL names. */
export interface InferenceTarget {
  readonly model: string;
  /** A number or an alias; undefined: the model's deployment decides. */
  readonly version: string | undefined;
}

const PATTERN = /^\/v2\/models\/([^/]{1,189})(?:\/versions\/([^/]{1,189}))?\/infer$/;

/** Undefined when the path (without query and trailing slash) is no inference. */
export function parseInferencePath(path: string): InferenceTarget | undefined {
  const [, model, version] = PATTERN.exec(path) ?? [];
  if (model === undefined) return undefined;
  return { model: decodedSegment(model), version: version === undefined ? undefined : decodedSegment(version) };
}

/** Whether the target can exist at all. What cannot is answered like what does not. */
export const isWellFormed = ({ model, version }: InferenceTarget): boolean =>
  OBJECT_NAME.test(model) && (version === undefined || OBJECT_NAME.test(version));
