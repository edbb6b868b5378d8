import { GeneratedAnswer } from "../../../../shared/openai/generate.ts";
import type { FinishReason } from "../../../../shared/openai/answers.ts";
import { choicesOf, finishOf, isObject, type JsonObject } from "./answer-chunk.ts";
import { MergedAnswer } from "./merged-answer.ts";
import type { WantedAnswer } from "./openai-request.ts";

/** Makes the caller's answer of an engine's chunks. */
export interface AnswerForm {
  /** What is sent of a chunk; empty when it is nothing yet. */
  chunk(chunk: JsonObject): string;
  /** After the last chunk. */
  end(): string;
}

/** `version`: of the model. */
export function formOf(wanted: WantedAnswer, version: string): AnswerForm {
  if (wanted.generate !== undefined) {
    const answer = new GeneratedAnswer({ generate: wanted.generate, version });
    return wanted.streams ? new GeneratedEvents(answer) : new GeneratedWhole(answer);
  }
  return wanted.streams ? new Events(wanted) : new Whole(wanted);
}

/**
 * The chunks as events, each with the caller's name of the model. Engines tell the usage in the last chunk of a choice or in
 * one of its own: where it was asked for it is the last one, without choices, and null in the others.
 */
class Events implements AnswerForm {
  readonly #wanted: WantedAnswer;
  #last: JsonObject | undefined;

  constructor(wanted: WantedAnswer) {
    this.#wanted = wanted;
  }

  chunk(chunk: JsonObject): string {
    const { model, includesUsage } = this.#wanted;
    chunk["model"] = model;
    const { usage } = chunk;
    if (isObject(usage)) {
      this.#last = { ...chunk, choices: [], usage };
      if (choicesOf(chunk).length === 0) return "";
    }
    // JSON has no `undefined`. An object of which a field was deleted takes longer to write.
    chunk["usage"] = includesUsage ? null : undefined;
    return eventOf(chunk);
  }

  end(): string {
    const last = this.#wanted.includesUsage && this.#last !== undefined ? eventOf(this.#last) : "";
    return `${last}data: [DONE]\n\n`;
  }
}

const eventOf = (value: JsonObject): string => `data: ${JSON.stringify(value)}\n\n`;

class Whole implements AnswerForm {
  readonly #wanted: WantedAnswer;
  readonly #merged: MergedAnswer;

  constructor(wanted: WantedAnswer) {
    this.#wanted = wanted;
    this.#merged = new MergedAnswer(wanted.api);
  }

  chunk(chunk: JsonObject): string {
    this.#merged.add(chunk);
    return "";
  }

  end(): string {
    return JSON.stringify(this.#merged.document(this.#wanted.model));
  }
}

class GeneratedEvents implements AnswerForm {
  readonly #answer: GeneratedAnswer;

  constructor(answer: GeneratedAnswer) {
    this.#answer = answer;
  }

  chunk(chunk: JsonObject): string {
    const [choice] = choicesOf(chunk);
    if (choice === undefined) return "";
    const { text } = choice;
    const reason = reasonOf(choice);
    return [
      typeof text === "string" && text !== "" ? this.#answer.text(0, text) : "",
      reason === undefined ? "" : this.#answer.finish(0, reason),
    ].join("");
  }

  end(): string {
    return this.#answer.end();
  }
}

class GeneratedWhole implements AnswerForm {
  readonly #answer: GeneratedAnswer;
  readonly #merged = new MergedAnswer("completion");

  constructor(answer: GeneratedAnswer) {
    this.#answer = answer;
  }

  chunk(chunk: JsonObject): string {
    this.#merged.add(chunk);
    return "";
  }

  end(): string {
    const [choice = {}] = choicesOf(this.#merged.document(""));
    const { text } = choice;
    return this.#answer.whole({ text: typeof text === "string" ? text : "", reason: reasonOf(choice) ?? "stop" });
  }
}

/** The extension knows two; an engine's others mean that it came to an end by itself. */
const reasonOf = (choice: JsonObject): FinishReason | undefined => {
  const reason = finishOf(choice);
  return reason === undefined ? undefined : reason === "length" ? "length" : "stop";
};
