/**
 * The upload of a version has a part for each of its files, and each part an id of its own, so that each file is sent and
 * resumed alone. The first part has the upload's id, the others have their number behind it; ids hold no underscore.
 */
export const partId = (uploadId: string, index: number): string => (index === 0 ? uploadId : `${uploadId}_${index}`);

/** The number of the part for a graph that the check changed: behind those of all files that a bundle can have. */
const EDITED_PART = 999;
export const editedPartId = (uploadId: string): string => partId(uploadId, EDITED_PART);

/** What a part's id says; null for text that is none. */
export function parsePartId(text: string): { readonly uploadId: string; readonly index: number } | null {
  const [, uploadId, index = "0"] = /^([A-Za-z0-9-]{1,50})(?:_([1-9][0-9]{0,2}))?$/.exec(text) ?? [];
  return uploadId === undefined ? null : { uploadId, index: Number(index) };
}
