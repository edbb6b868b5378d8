import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const FOLDER = new URL("../../examples/digits/", import.meta.url);
const PIXELS = 784;

const sampleFile = z.looseObject({
  digits: z.array(z.looseObject({ label: z.int().min(0).max(9), bytes: z.base64() })),
});
const cardFile = z.looseObject({
  models: z.array(
    z.looseObject({
      name: z.string(),
      file: z.string(),
      accuracy: z.number(),
      heldOut: z.looseObject({ right: z.int(), of: z.int() }),
    }),
  ),
});

/** A real handwritten digit that the model was not trained on. */
export interface Sample {
  /** Place in the sample file. */
  readonly index: number;
  /** What the writer meant. */
  readonly truth: number;
  /** 784 of them, 0 (paper) to 1 (ink). */
  readonly pixels: readonly number[];
}

export interface DemoModel {
  readonly name: string;
  readonly file: string;
  readonly accuracy: number;
}

/**
 * The first samples of the file, as they come: whether a model reads them rightly had no say in it. Read as data, not
 * by importing the example: the tool depends on nothing outside `shared/`.
 */
export async function readSamples(count: number): Promise<readonly Sample[]> {
  const { digits } = sampleFile.parse(JSON.parse(await readFile(new URL("digits.json", FOLDER), "utf8")));
  return digits.slice(0, count).map(({ label, bytes }, index) => {
    const scanned = Buffer.from(bytes, "base64");
    if (scanned.length !== PIXELS)
      throw new Error(`digits.json: digit ${index} has ${scanned.length} pixels, not ${PIXELS}`);
    return { index, truth: label, pixels: [...scanned].map((value) => value / 255) };
  });
}

/** The trained models that come with the repository, with the accuracy that was measured on held-out digits. */
export async function readDemoModels(): Promise<readonly DemoModel[]> {
  const { models } = cardFile.parse(JSON.parse(await readFile(new URL("models/models.json", FOLDER), "utf8")));
  return models.map(({ name, file, accuracy }) => ({ name, file: fileURLToPath(new URL(file, FOLDER)), accuracy }));
}
