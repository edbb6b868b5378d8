import { isSkerryError } from "../../../shared/base/errors.ts";

/** More would make one statement long, and its answer late for all. */
const MAX_AT_ONCE = 100;

interface Asked<Question, Answer> {
  readonly key: string;
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Answers many questions by one statement: while one is under way those that come wait for the next, so one that is alone
 * waits for nothing, and of a thousand nodes that return at once some 20 share a statement. Two with the same key are never in
 * one. A statement that fails is repeated for each question alone: what one node sent fails that node only. Where PostgreSQL
 * does not answer at all, all fail at once.
 */
export class Gathered<Question, Answer> {
  readonly #keyOf: (question: Question) => string;
  readonly #answer: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  #waiting: Asked<Question, Answer>[] = [];
  #isAsking = false;

  /** `answer`: the answers to questions with different keys, in their order. Has to end in time: the next ones wait for it. */
  constructor(parts: {
    readonly keyOf: (question: Question) => string;
    readonly answer: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  }) {
    this.#keyOf = parts.keyOf;
    this.#answer = parts.answer;
  }

  /** Rejects as `answer` does for this question alone. */
  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key: this.#keyOf(question), question, resolve, reject });
      void this.#askAll();
    });
  }

  async #askAll(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#waiting.length > 0) await this.#askTogether(this.#next());
    this.#isAsking = false;
  }

  /** Those that have waited longest, each key once. */
  #next(): readonly Asked<Question, Answer>[] {
    const chosen = new Map<string, Asked<Question, Answer>>();
    const later: Asked<Question, Answer>[] = [];
    for (const asked of this.#waiting) {
      if (chosen.size < MAX_AT_ONCE && !chosen.has(asked.key)) chosen.set(asked.key, asked);
      else later.push(asked);
    }
    this.#waiting = later;
    return [...chosen.values()];
  }

  async #askTogether(together: readonly Asked<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.#answer(together.map(({ question }) => question));
      together.forEach(({ resolve, reject }, index) => {
        const answer = answers[index];
        if (answer === undefined) reject(new Error("a question was not answered"));
        else resolve(answer);
      });
    } catch (error) {
      const [first, second] = together;
      if (first && !second) return first.reject(error);
      if (isSkerryError(error) && error.code === "DATABASE_UNAVAILABLE")
        return together.forEach(({ reject }) => reject(error));
      await Promise.all(together.map((asked) => this.#askTogether([asked])));
    }
  }
}
