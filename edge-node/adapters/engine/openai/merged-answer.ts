import type { TextApi } from "../../../../shared/openai/requests.ts";
import { choicesOf, finishOf, indexOf, isObject, type JsonObject } from "./answer-chunk.ts";

/** Of a whole answer in characters: what an engine may write for a caller who does not stream. */
const MAX_CHARACTERS = 64 * 1_048_576;
/** Choices of one answer; requests ask for 8 at most. */
const MAX_CHOICES = 64;

interface Choice {
  /** Text so far, or the message. */
  text: string;
  readonly message: JsonObject;
  logprobs: unknown;
  reason: string | null;
  /** Fields of an engine's own; the last word counts. */
  readonly others: JsonObject;
}

/** Without a prototype: an engine may name a field `__proto__`, and merging into that one would change all objects of the node. */
const bare = (): JsonObject => ({ __proto__: null });

const OBJECT = { chat: "chat.completion", completion: "text_completion" } as const;
/** Of a choice of a chunk: what is merged by rules of its own. */
const MERGED = new Set(["index", "delta", "text", "logprobs", "finish_reason"]);

/** The whole answer of the chunks of a streamed one, as the engine would have given it at once. */
export class MergedAnswer {
  readonly #api: TextApi;
  readonly #head = bare();
  readonly #choices = new Map<number, Choice>();
  /** The engine's numbers of parts, which whole answers do not have. */
  readonly #indices = new WeakMap<object, number>();
  #characters = 0;

  constructor(api: TextApi) {
    this.#api = api;
  }

  /** Throws `RangeError` when the answer grows beyond all bounds. */
  add(chunk: JsonObject): void {
    for (const [name, value] of Object.entries(chunk)) {
      if (name === "choices" || value === null || value === undefined) continue;
      this.#set(this.#head, name, value);
    }
    for (const choice of choicesOf(chunk)) this.#addChoice(choice);
  }

  document(model: string): JsonObject {
    const choices = [...this.#choices]
      .toSorted(([a], [b]) => a - b)
      .map(([index, choice]) => ({
        index,
        ...(this.#api === "chat" ? { message: messageOf(choice) } : { text: choice.text }),
        logprobs: choice.logprobs ?? null,
        finish_reason: choice.reason,
        ...choice.others,
      }));
    const { usage, ...head } = this.#head;
    return { ...head, object: OBJECT[this.#api], model, choices, ...(usage !== undefined && { usage }) };
  }

  #addChoice(from: JsonObject): void {
    const index = indexOf(from);
    const choice = this.#choices.get(index) ?? {
      text: "",
      message: bare(),
      logprobs: undefined,
      reason: null,
      others: bare(),
    };
    this.#choices.set(index, choice);
    if (this.#choices.size > MAX_CHOICES) throw new RangeError(`an answer of more than ${MAX_CHOICES} choices`);
    const { delta, text, logprobs } = from;
    if (typeof text === "string") choice.text += this.#counted(text);
    if (isObject(delta)) this.#mergeInto(choice.message, delta);
    if (isObject(logprobs)) choice.logprobs = this.#joined(choice.logprobs, logprobs);
    choice.reason = finishOf(from) ?? choice.reason;
    for (const [name, value] of Object.entries(from))
      if (!MERGED.has(name) && value !== null) this.#set(choice.others, name, value);
  }

  /** Texts grow, lists of parts with an `index` are merged part by part, and of the rest the first word counts. */
  #mergeInto(target: JsonObject, delta: JsonObject): void {
    for (const [name, value] of Object.entries(delta)) {
      const before = target[name];
      if (value === null || value === undefined) continue;
      if (before === undefined) this.#count(name.length);
      if (typeof value === "string" && GROWING.has(name))
        target[name] = (typeof before === "string" ? before : "") + this.#counted(value);
      else if (Array.isArray(value)) target[name] = this.#mergedParts(Array.isArray(before) ? before : [], value);
      else if (isObject(value)) {
        const inner = isObject(before) ? before : bare();
        this.#mergeInto(inner, value);
        target[name] = inner;
      } else if (typeof before !== "string" || before === "") this.#set(target, name, value);
    }
  }

  /** The calls of tools. */
  #mergedParts(before: readonly unknown[], parts: readonly unknown[]): readonly unknown[] {
    const merged = [...before];
    for (const part of parts) {
      if (!isObject(part) || typeof part["index"] !== "number") {
        this.#counted(JSON.stringify(part));
        merged.push(part);
        continue;
      }
      const { index: at, ...rest } = part;
      const index = Number(at);
      const known = merged.find((each) => isObject(each) && this.#indices.get(each) === index);
      const target = isObject(known) ? known : bare();
      if (!isObject(known)) {
        this.#indices.set(target, index);
        merged.push(target);
      }
      this.#mergeInto(target, rest);
    }
    if (merged.length > MAX_CHOICES) throw new RangeError(`an answer of more than ${MAX_CHOICES} parts`);
    return merged;
  }

  /** Lists of tokens one behind the other. */
  #joined(before: unknown, logprobs: JsonObject): JsonObject {
    const joined = isObject(before) ? before : bare();
    for (const [name, value] of Object.entries(logprobs)) {
      const known = joined[name];
      if (!Array.isArray(value)) {
        this.#set(joined, name, known ?? value);
        continue;
      }
      if (Array.isArray(known)) known.push(...value);
      else joined[name] = [...value];
      this.#count(Math.max(value.length * CHARACTERS_OF_LOGPROB, JSON.stringify(value).length));
    }
    return joined;
  }

  /** A field that is the same in each chunk counts once. */
  #set(target: JsonObject, name: string, value: unknown): void {
    if (target[name] === value) return;
    this.#count(name.length + (typeof value === "string" ? value : JSON.stringify(value)).length);
    target[name] = value;
  }

  #counted(text: string): string {
    this.#count(text.length);
    return text;
  }

  #count(characters: number): void {
    this.#characters += characters;
    if (this.#characters > MAX_CHARACTERS) throw new RangeError(`an answer of more than ${MAX_CHARACTERS} characters`);
  }
}

/** What the entry of a token takes at the least. */
const CHARACTERS_OF_LOGPROB = 512;
const GROWING: ReadonlySet<string> = new Set(["content", "refusal", "reasoning_content", "reasoning", "arguments"]);

const messageOf = ({ message }: Choice): JsonObject => ({
  role: "assistant",
  content: null,
  ...message,
});
