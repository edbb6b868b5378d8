import { randomBytes } from "node:crypto";
import type { ToolCall } from "../../../shared/openai/answers.ts";
import { toolName } from "../../../shared/openai/requests.ts";

const BEGIN = "<tool_call>";
const END = "</tool_call>";
const ID_BYTES = 12;
/** Of a call that has begun. What is longer is text. */
const MAX_CALL_LENGTH = 262_144;

/** JSON has the key in quotes, which are escaped where the template has them in a text. Others write XML between the same tags. */
const JSON_CALL = /["']arguments\\?["']/;

/** Whether a template shows its model tools, and makes it write calls as Hermes and Qwen do: JSON between two tags. */
export const hasKnownCalls = (template: string): boolean =>
  template.includes(BEGIN) && /\btools\b/.test(template) && JSON_CALL.test(template);

export interface Found {
  /** What is no call. */
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

/**
 * Finds the calls in an answer while it comes. Text before a call is shown as far as it cannot be the beginning of one; white space
 * around calls is left out. What is between the tags and is no call, or has no end, is text.
 */
export class ToolCallReader {
  /** What is not decided yet; inside a call it begins with `BEGIN`, behind white space perhaps. */
  #held = "";
  #hasCalled = false;

  push(text: string): Found {
    this.#held += text;
    const calls: ToolCall[] = [];
    let shown = "";
    for (;;) {
      const begin = this.#held.indexOf(BEGIN);
      if (begin === -1) {
        const keep = undecided(this.#held);
        shown += this.#shown(this.#held.slice(0, this.#held.length - keep));
        this.#held = this.#held.slice(this.#held.length - keep);
        return { text: shown, calls };
      }
      const before = this.#held.slice(0, begin);
      const end = this.#held.indexOf(END, begin);
      if (end === -1) {
        if (this.#held.length - begin > MAX_CALL_LENGTH) {
          shown += this.#shown(this.#held);
          this.#held = "";
        } else {
          const said = before.trimEnd();
          shown += this.#shown(said);
          this.#held = this.#held.slice(said.length);
        }
        return { text: shown, calls };
      }
      const call = callIn(this.#held.slice(begin + BEGIN.length, end));
      const whole = this.#held.slice(begin, end + END.length);
      this.#held = this.#held.slice(end + END.length);
      if (call === undefined) shown += this.#shown(before + whole);
      else {
        shown += this.#shown(before.trimEnd());
        calls.push(call);
        this.#hasCalled = true;
      }
    }
  }

  /** The rest, when no text follows. A call without its end counts if it is whole. */
  finish(): Found {
    const rest = this.#held;
    this.#held = "";
    const begun = rest.trimStart();
    const call = begun.startsWith(BEGIN) ? callIn(begun.slice(BEGIN.length)) : undefined;
    return call ? { text: "", calls: [call] } : { text: this.#shown(rest), calls: [] };
  }

  /** Between calls and after them white space is left out, and words are kept. */
  #shown(text: string): string {
    if (!this.#hasCalled || text === "") return text;
    const said = text.trimStart();
    if (said !== "") this.#hasCalled = false;
    return said;
  }
}

/** Characters at the end that may belong to a call: white space, and the beginning of its tag. */
function undecided(text: string): number {
  let keep = 0;
  for (let length = Math.min(BEGIN.length - 1, text.length); length > 0 && keep === 0; length -= 1)
    if (BEGIN.startsWith(text.slice(-length))) keep = length;
  const before = text.slice(0, text.length - keep);
  return keep + (before.length - before.trimEnd().length);
}

function callIn(json: string): ToolCall | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("name" in value)) return undefined;
  // The caller sends its calls back in the next request, which takes no other names.
  const name = toolName.safeParse(value.name);
  if (!name.success) return undefined;
  const given: unknown = "arguments" in value ? value.arguments : {};
  return {
    id: `call_${randomBytes(ID_BYTES).toString("hex")}`,
    name: name.data,
    arguments: typeof given === "string" ? given : JSON.stringify(given),
  };
}
