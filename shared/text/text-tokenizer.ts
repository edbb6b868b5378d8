/** Texts as the numbers that a model was trained with. */
export interface TextTokenizer {
  /** With the tokens that it adds around a text. */
  tokensOf(text: string): readonly number[];
}
