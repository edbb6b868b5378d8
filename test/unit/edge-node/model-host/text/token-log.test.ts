import { describe, expect, it } from "@jest/globals";
import { TokenLog } from "../../../../../edge-node/model-host/text/token-log.ts";

const WORDS = ["The", " sea", " is", " sa", "lt"];

/** A log of the tokens of `WORDS`, all of which were made. */
function logOf(words: readonly string[] = WORDS): TokenLog {
  const log = new TokenLog((token) => WORDS[token] ?? "");
  words.forEach((word, at) => log.push({ token: WORDS.indexOf(word), logprob: -at }));
  return log;
}

const textsOf = (log: TokenLog, shown: string, isCut = false): readonly string[] =>
  log.take(shown, { isCut }).map(({ text }) => text);

describe("TokenLog", () => {
  it("gives each token once, with the text that is shown next", () => {
    const log = logOf(["The", " sea"]);
    expect(textsOf(log, "")).toEqual([]);
    expect(textsOf(log, "The sea")).toEqual(["The", " sea"]);
    expect(textsOf(log, " more")).toEqual([]);
  });

  it("leaves out the tokens that a stop text has cut off, also one of which a part is shown", () => {
    expect(textsOf(logOf(), "The sea", true)).toEqual(["The", " sea"]);
    expect(textsOf(logOf(), "The sea i", true)).toEqual(["The", " sea"]);
    expect(textsOf(logOf(), WORDS.join(""), true)).toEqual(WORDS);
  });

  it("has a number for a token that cannot come, as JSON has none for infinity", () => {
    const log = new TokenLog(() => "a");
    log.push({ token: 0, logprob: -Infinity, likely: [{ token: 1, logprob: -Infinity }] });
    expect(log.take("a", { isCut: false })).toEqual([
      { text: "a", logprob: -9_999, likely: [{ text: "a", logprob: -9_999 }] },
    ]);
  });
});
