/** How likely a token was, as it was drawn: after temperature, `top_p` and the like. */
export interface TokenLogprob {
  /** Its text; a part of a character is U+FFFD. */
  readonly text: string;
  readonly logprob: number;
  /** The likeliest at its place, itself perhaps among them, the likeliest first. */
  readonly likely: readonly Omit<TokenLogprob, "likely">[];
}

const encoder = new TextEncoder();
const PART = "\uFFFD";

const entryOf = ({ text, logprob }: Omit<TokenLogprob, "likely">) => ({
  token: text,
  logprob,
  // The bytes of a part of a character are not known here.
  bytes: text.includes(PART) ? null : [...encoder.encode(text)],
});

/** `logprobs` of a choice of a chat. */
export const chatLogprobs = (tokens: readonly TokenLogprob[]) => ({
  content: tokens.map((token) => ({ ...entryOf(token), top_logprobs: token.likely.map(entryOf) })),
  refusal: null,
});

/** `logprobs` of a choice of a completion. `offset`: characters of the answer before the first of these tokens. */
export function completionLogprobs(tokens: readonly TokenLogprob[], offset: number) {
  let at = offset;
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ likely }) => Object.fromEntries(likely.map(({ text, logprob }) => [text, logprob]))),
    text_offset: tokens.map(({ text }) => {
      const start = at;
      at += text.length;
      return start;
    }),
  };
}
