import { readFileSync } from "node:fs";
import { z } from "zod";
import { CLASS_COUNT, type Digit, fromBytes, PIXELS_PER_DIGIT, toBytes } from "./digit.ts";
import { SeededRandom } from "./random.ts";

export interface Split {
  readonly training: readonly Digit[];
  readonly heldOut: readonly Digit[];
}

// One check for the whole array: an issue-collecting check per number took 660 ms for the 7.8 million
// of them, this takes 90.
const classFile = z.object({
  data: z.custom<readonly number[]>(isPixelList, "not a list of pixels"),
});

/**
 * Reads the 10,000 digits of the `mnist` package, label by label. The package keeps one JSON file per
 * label, with all its images end to end. The files are read, not the package's API, because that
 * shuffles with `Math.random`.
 */
export function loadDigits(): Digit[] {
  const packageFile = import.meta.resolve("mnist/package.json");
  const digits: Digit[] = [];
  for (let label = 0; label < CLASS_COUNT; label += 1) {
    const { data } = classFile.parse(
      JSON.parse(readFileSync(new URL(`src/digits/${label}.json`, packageFile), "utf8")),
    );
    for (let start = 0; start < data.length; start += PIXELS_PER_DIGIT) {
      const rounded = Float32Array.from(data.slice(start, start + PIXELS_PER_DIGIT));
      // The package rounds every byte / 255 to three decimals. That is off by at most 0.1275 of a byte, so
      // going through bytes restores the scan, and a digit is the same from here or from a sample file.
      digits.push({ label, index: start / PIXELS_PER_DIGIT, pixels: fromBytes(toBytes(rounded)) });
    }
  }
  return digits;
}

/**
 * Splits digits, keeping the share of every label the same on both sides.
 *
 * @param heldOutShare part of each label that training never sees, 0–1
 */
export function splitDigits(digits: readonly Digit[], heldOutShare: number, seed: number): Split {
  const random = new SeededRandom(seed);
  const training: Digit[] = [];
  const heldOut: Digit[] = [];
  for (let label = 0; label < CLASS_COUNT; label += 1) {
    const ofLabel = random.shuffled(digits.filter((digit) => digit.label === label));
    const heldOutCount = Math.round(ofLabel.length * heldOutShare);
    heldOut.push(...ofLabel.slice(0, heldOutCount));
    training.push(...ofLabel.slice(heldOutCount));
  }
  return { training, heldOut };
}

function isPixelList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length % PIXELS_PER_DIGIT === 0 &&
    value.every((pixel) => typeof pixel === "number" && pixel >= 0 && pixel <= 1)
  );
}
