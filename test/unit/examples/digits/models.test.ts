import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { loadDigits, splitDigits } from "../../../../examples/digits/dataset.ts";
import { readModelCards, sha256Of } from "../../../../examples/digits/model-cards.ts";
import { mostLikely, type Network } from "../../../../examples/digits/network/network.ts";
import { ModelProto } from "../../../../examples/digits/onnx-proto.ts";
import { SeededRandom } from "../../../../examples/digits/random.ts";
import { MODEL_RECIPES, SPLIT } from "../../../../examples/digits/recipes.ts";
import { readDigitSamples } from "../../../../examples/digits/samples.ts";
import { largestDifference, runOnnx } from "./run-onnx.ts";

const { heldOut } = splitDigits(loadDigits(), SPLIT.heldOutShare, SPLIT.seed);
const images = heldOut.map(({ pixels }) => pixels);

/**
 * ONNX Runtime adds in another order than we do, and another on each CPU, so a digit on the very border
 * between two labels may fall to either side.
 */
const BORDERLINE_DIGITS = 2;

const models = MODEL_RECIPES.map((recipe) => {
  const card = readModelCards().models.find(({ name }) => name === recipe.name);
  if (card === undefined) throw new Error(`models.json does not list ${recipe.name}`);
  const bytes = readFileSync(new URL(`../../../../examples/digits/${card.file}`, import.meta.url));
  return { name: recipe.name, recipe, card, bytes };
});

describe.each(models)("the committed $name", ({ recipe, card, bytes }) => {
  it("is the file that its card describes", () => {
    expect([bytes.length, sha256Of(bytes)]).toEqual([card.bytes, card.sha256]);
    expect(bytes.length).toBeLessThan(1_000_000);
  });

  it("claims no less than is required of it", () => {
    expect(card.heldOut.of).toBe(heldOut.length);
    expect(card.accuracy).toBe(card.heldOut.right / card.heldOut.of);
    expect(card.accuracy).toBeGreaterThanOrEqual(recipe.requiredAccuracy);
  });

  it("reaches its claimed accuracy on the held-out digits in ONNX Runtime", async () => {
    const rows = await runOnnx(bytes, images);
    const right = rows.filter((row, i) => mostLikely(row) === heldOut[i]?.label).length;
    expect(Math.abs(right - card.heldOut.right)).toBeLessThanOrEqual(BORDERLINE_DIGITS);
  });

  it("names as many sample digits as it claims", async () => {
    const samples = readDigitSamples();
    const rows = await runOnnx(
      bytes,
      samples.map(({ pixels }) => pixels),
    );
    const right = rows.filter((row, i) => mostLikely(row) === samples[i]?.label).length;
    expect({ right, of: samples.length }).toEqual(card.samples);
  });

  it("gives probabilities that sum to 1", async () => {
    const rows = await runOnnx(bytes, images);
    const sums = rows.map((row) => row.reduce((sum, p) => sum + p, 0));
    expect(Math.max(...sums.map((sum) => Math.abs(sum - 1)))).toBeLessThan(1e-5);
    expect(rows.every((row) => row.every((p) => p >= 0 && p <= 1))).toBe(true);
  });

  it("answers in ONNX Runtime what our own forward pass answers", async () => {
    const network = readNetwork(bytes, recipe.createNetwork(new SeededRandom(recipe.seed)));
    const rows = await runOnnx(bytes, images);
    const differences = rows.map((row, i) => largestDifference(row, network.forward(images[i] ?? new Float32Array())));
    expect(Math.max(...differences)).toBeLessThan(1e-4);
  });
});

const initializers = z.object({
  graph: z.object({ initializer: z.array(z.object({ rawData: z.instanceof(Uint8Array) })) }),
});

/** Puts an ONNX file's tensors into a fresh network of the same architecture. */
function readNetwork(bytes: Uint8Array, network: Network): Network {
  const { graph } = initializers.parse(ModelProto.toObject(ModelProto.decode(bytes)));
  network.parameters.forEach(({ values }, p) => {
    const raw = graph.initializer[p]?.rawData ?? new Uint8Array();
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    for (let i = 0; i < values.length; i += 1) values[i] = view.getFloat32(i * 4, true);
  });
  return network;
}
