import { Template } from "@huggingface/jinja";
import { messageOf } from "../../../shared/base/errors.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import type { ChatMessage } from "../../../shared/openai/requests.ts";
import type { TextRuntime } from "./text-runtime.ts";

/** Writes conversations as the model learnt to read them. */
export class ChatPrompt {
  readonly #runtime: TextRuntime;
  readonly #template: Template | undefined;

  /** Throws when the model's own template cannot be read. */
  constructor(runtime: TextRuntime) {
    this.#runtime = runtime;
    this.#template = runtime.chatTemplate === undefined ? undefined : new Template(runtime.chatTemplate);
  }

  /** A conversation as the model reads it, up to where the answer begins. Throws `SkerryError` INVALID_REQUEST. */
  text(messages: readonly ChatMessage[]): string {
    if (this.#template === undefined)
      throw invalid("this model does not say how a conversation is written; ask /v1/completions with a `prompt`");
    const { bos, eos } = this.#runtime.specialTexts;
    try {
      return this.#template.render({
        messages: messages.map(plain),
        add_generation_prompt: true,
        bos_token: bos,
        eos_token: eos,
      });
    } catch (error) {
      throw invalid(`the model's template does not take these messages: ${messageOf(error).slice(0, 300)}`);
    }
  }
}

/** Templates know texts, and the three roles that were there first. */
function plain({ role, content, name }: ChatMessage): Record<string, string> {
  const text = typeof content === "string" ? content : content.map((part) => part.text).join("");
  return {
    role: role === "developer" ? "system" : role,
    content: text,
    ...(name !== undefined && { name }),
  };
}
