import type { TokenizerFile } from "../../../../shared/text/encoder-files.ts";
import { InspectionRefused } from "../inspection-refused.ts";

const KNOWN = ["WordPiece", "BPE", "Unigram"];
/** WordPiece gives up on longer words: they are one token each. */
const LONGEST_WORD_BYTES = 400;
const MAX_TOKEN_BYTES = 65_535;

/**
 * How many tokens there are, and the bytes of the longest. `declared`: rows of the model's table of embeddings. Throws
 * `InspectionRefused` for a tokenizer of a kind that nodes do not have, and for one with more tokens than the table has rows.
 */
export function vocabularyOf(
  { model, added_tokens: added }: TokenizerFile,
  declared: number | null | undefined,
): { readonly size: number; readonly longestBytes: number } {
  const { type = "WordPiece", vocab } = model;
  if (type != null && !KNOWN.includes(type))
    throw new InspectionRefused(`its tokenizer is a ${type.slice(0, 40)}; ${KNOWN.join(", ")} are served`);
  let highest = -1;
  let longestBytes = LONGEST_WORD_BYTES;
  const see = (text: string, id: number): void => {
    if (id > highest) highest = id;
    // At most three bytes for each UTF-16 unit: cheaper than to encode each, and a bound.
    if (3 * text.length > longestBytes) longestBytes = 3 * text.length;
  };
  if (Array.isArray(vocab)) for (const [id, [text]] of vocab.entries()) see(text, id);
  else for (const [text, id] of Object.entries(vocab)) see(text, id);
  for (const { content, id } of added ?? []) see(content, id);
  if (highest < 0) throw new InspectionRefused("its tokenizer has no tokens");
  if (declared != null && highest >= declared)
    throw new InspectionRefused(
      `its tokenizer has tokens up to ${highest}, and the model knows ${declared}: they do not belong together`,
    );
  return { size: declared ?? highest + 1, longestBytes: Math.min(longestBytes, MAX_TOKEN_BYTES) };
}
