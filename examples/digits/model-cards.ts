import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";

/** Folder of the trained models, under this one. */
export const MODELS_FOLDER = "models";
export const MODEL_CARDS_FILE = `${MODELS_FOLDER}/models.json`;

const tensor = z.strictObject({
  name: z.string(),
  datatype: z.literal("FP32"),
  /** −1 is the batch, free from 1 up. */
  shape: z.array(z.int()),
});

const score = z.strictObject({ right: z.int(), of: z.int() });

const modelCard = z.strictObject({
  name: z.string(),
  /** Relative to this folder. */
  file: z.string(),
  bytes: z.int(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  opset: z.int(),
  irVersion: z.int(),
  input: tensor,
  output: tensor,
  /** Part of the held-out digits named rightly, 0–1. */
  accuracy: z.number().min(0).max(1),
  heldOut: score,
  /** The same for the sample digits, which are among the held-out ones. */
  samples: score,
});

const modelCards = z.strictObject({
  /** Makes every file listed here again, byte for byte. */
  command: z.string(),
  check: z.string(),
  data: z.strictObject({
    package: z.string(),
    training: z.int(),
    heldOut: z.int(),
    splitSeed: z.int(),
  }),
  models: z.array(modelCard),
});

/** What a trained model claims about itself. */
export type ModelCard = z.infer<typeof modelCard>;
export type ModelCards = z.infer<typeof modelCards>;

/** Reads the cards of the models in this folder. */
export function readModelCards(): ModelCards {
  return modelCards.parse(JSON.parse(readFileSync(new URL(MODEL_CARDS_FILE, import.meta.url), "utf8")));
}

/** The card file's text. */
export function renderModelCards(cards: ModelCards): string {
  return `${JSON.stringify(cards, null, 2)}\n`;
}

/** SHA-256 in lower-case hex. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
