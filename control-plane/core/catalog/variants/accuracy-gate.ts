import type { Agreement } from "../../../../shared/inference/samples/agreement.ts";
import { VARIANTS_FILE, type VariantsDocument } from "../../../../shared/protocol/model-files/variants.ts";

/** Why a variant is too far from its reference to be published, with the figures; undefined: it may be. */
export function accuracyFault(
  name: string,
  { samples, agreement, maxDifference, fault }: Agreement,
  { minAgreement, maxDifference: limit }: VariantsDocument["accuracy"],
): string | undefined {
  const of = `variant ${name}, on ${samples} ${samples === 1 ? "sample" : "samples"}`;
  if (maxDifference === null) return `${of}: ${fault ?? "its outputs cannot be compared with those of the reference"}`;
  const figures = `largest difference ${digits(maxDifference)}`;
  if (agreement === null && limit === undefined)
    return `${of}: ${figures}; no output holds a decision, so set \`accuracy.maxDifference\` in ${VARIANTS_FILE}`;
  if (agreement !== null && agreement < minAgreement)
    return `${of}: it decides as the reference in ${share(agreement)} of them, and \`accuracy.minAgreement\` asks for ${share(minAgreement)}; ${figures}`;
  if (limit !== undefined && maxDifference > limit)
    return `${of}: ${figures}, and \`accuracy.maxDifference\` allows ${digits(limit)}${agreement === null ? "" : `; it decides as the reference in ${share(agreement)} of them`}`;
  return undefined;
}

/** Rounded down: 99.99 % is not all. */
const share = (value: number): string => `${Math.floor(value * 10_000) / 100} %`;
const digits = (value: number): string => String(Number(value.toPrecision(4)));
