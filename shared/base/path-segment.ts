/** What a segment of a URL's path says; one whose escapes are broken is kept as it is, and then names nothing. */
export function decodedSegment(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
