import { describe, expect, it } from "@jest/globals";
import { loadDigits, splitDigits } from "../../../../examples/digits/dataset.ts";
import { type Digit, fromBytes, toBytes } from "../../../../examples/digits/digit.ts";
import { SPLIT } from "../../../../examples/digits/recipes.ts";
import { pickSamples, readDigitSamples } from "../../../../examples/digits/samples.ts";

const digits = loadDigits();
const { training, heldOut } = splitDigits(digits, SPLIT.heldOutShare, SPLIT.seed);

describe("loadDigits", () => {
  it("reads ten thousand digits of every label", () => {
    expect(digits).toHaveLength(10_000);
    expect(countByLabel(digits)).toEqual([1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]);
  });

  it("restores the scanned bytes that the package rounded", () => {
    for (const { pixels } of digits.slice(0, 50)) {
      expect(fromBytes(toBytes(pixels))).toEqual(pixels);
    }
  });
});

describe("splitDigits", () => {
  it("holds out a fifth of every label", () => {
    expect([training.length, heldOut.length]).toEqual([8000, 2000]);
    expect(countByLabel(heldOut)).toEqual([200, 225, 198, 206, 196, 173, 203, 214, 189, 196]);
  });

  it("shares no image between the two sides", () => {
    const seen = new Set(training.map(imageKey));
    expect(heldOut.filter((digit) => seen.has(imageKey(digit)))).toEqual([]);
  });

  it("splits the same way for the same seed and another way for another", () => {
    const again = splitDigits(digits, SPLIT.heldOutShare, SPLIT.seed);
    const other = splitDigits(digits, SPLIT.heldOutShare, SPLIT.seed + 1);
    expect(again.heldOut.map(nameOf)).toEqual(heldOut.map(nameOf));
    expect(other.heldOut.map(nameOf)).not.toEqual(heldOut.map(nameOf));
  });
});

describe("the sample digits", () => {
  const samples = readDigitSamples();

  it("are three of each label, in turn", () => {
    const inTurn = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(samples.map(({ label }) => label)).toEqual([...inTurn, ...inTurn, ...inTurn]);
  });

  it("are the first held-out digits, so training saw none of them", () => {
    const expected = pickSamples(heldOut);
    expect(samples.map(({ pixels }) => pixels)).toEqual(expected.map(({ pixels }) => pixels));
    const trained = new Set(training);
    expect(expected.some((digit) => trained.has(digit))).toBe(false);
  });
});

function countByLabel(list: readonly Digit[]): number[] {
  const counts = Array.from({ length: 10 }, () => 0);
  for (const { label } of list) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

function imageKey(digit: Digit): string {
  return Buffer.from(toBytes(digit.pixels)).toString("latin1");
}

function nameOf({ label, index }: Digit): string {
  return `${label}/${index}`;
}
