/** Why a file is not served, as a sentence for the person who uploaded it. Never leaves `core/catalog`. */
export class InspectionRefused extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "InspectionRefused";
  }
}

// By name: under Jest the realms differ.
export const isInspectionRefused = (error: unknown): error is InspectionRefused =>
  error instanceof Error && error.name === "InspectionRefused";

const SHOWN_CHARACTERS = 80;

/** A name from the file, fit for a log line and a terminal: control characters escaped, cut where it grows long. */
export function quote(text: string): string {
  const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  return `"${printable(shown)}"`;
}

/** `text` without what a terminal would act on. */
export const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, "\uFFFD");
