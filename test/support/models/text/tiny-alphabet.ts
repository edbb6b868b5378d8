/**
 * What the tiny text models of the tests know, whatever their format. Each token has one that follows it, whatever came before,
 * so what they write is known: `abc` goes on with `defg…` and after `z` with `a`, digits count up to 9 and end the text, `!` is
 * followed by `é?!` in a circle, whose `é` takes two tokens. Any other character is followed by `a`.
 */

export const END = 2;
export const BYTES = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
);
const LETTERS = Array.from("abcdefghijklmnopqrstuvwxyz");
const DIGITS = Array.from("0123456789");
export const TOKENS: readonly string[] = ["<unk>", "<s>", "</s>", ...BYTES, ...LETTERS, ...DIGITS, "!", "?", "▁"];
const at = (token: string): number => TOKENS.indexOf(token);

/** The token after each token. `isBackwards`: letters are followed by the one before. */
export function successors({ isBackwards = false }: { readonly isBackwards?: boolean } = {}): readonly number[] {
  const next = TOKENS.map(() => at("a"));
  LETTERS.forEach(
    (letter, i) => (next[at(letter)] = at(LETTERS.at((i + (isBackwards ? -1 : 1)) % LETTERS.length) ?? "a")),
  );
  DIGITS.forEach((digit, i) => (next[at(digit)] = i === 9 ? END : at(DIGITS[i + 1] ?? "0")));
  next[at("!")] = at("<0xC3>");
  next[at("<0xC3>")] = at("<0xA9>");
  next[at("<0xA9>")] = at("?");
  next[at("?")] = at("!");
  return next;
}
