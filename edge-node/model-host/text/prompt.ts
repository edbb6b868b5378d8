import { Template } from "@huggingface/jinja";
import { messageOf } from "../../../shared/base/errors.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import type { ChatMessage, Tool } from "../../../shared/openai/requests.ts";
import { hasKnownCalls } from "./tool-calls.ts";
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

  /** A conversation as the model reads it, up to where the answer begins, with `tools` to call. Throws `SkerryError` INVALID_REQUEST. */
  text(messages: readonly ChatMessage[], tools: readonly Tool[] = []): string {
    if (this.#template === undefined)
      throw invalid("this model does not say how a conversation is written; ask /v1/completions with a `prompt`");
    const isCalling =
      tools.length > 0 || messages.some(({ role, tool_calls: calls }) => role === "tool" || calls != null);
    if (isCalling && !hasKnownCalls(this.#runtime.chatTemplate ?? ""))
      throw invalid(
        "`tools`: this model's template has no calls of tools in a form that is known here (JSON in <tool_call>)",
      );
    const { bos, eos } = this.#runtime.specialTexts;
    try {
      return this.#template.render({
        messages: messages.map(plain),
        ...(tools.length > 0 && { tools }),
        add_generation_prompt: true,
        bos_token: bos,
        eos_token: eos,
      });
    } catch (error) {
      throw invalid(`the model's template does not take these messages: ${messageOf(error).slice(0, 300)}`);
    }
  }
}

/** Templates know texts, the roles that were there first, and arguments of calls as objects. */
function plain({
  role,
  content,
  name,
  tool_calls: calls,
  tool_call_id: answers,
}: ChatMessage): Record<string, unknown> {
  const text = typeof content === "string" ? content : (content ?? []).map((part) => part.text).join("");
  return {
    role: role === "developer" ? "system" : role,
    content: text,
    ...(name !== undefined && { name }),
    ...(answers !== undefined && { tool_call_id: answers }),
    ...(calls != null && {
      tool_calls: calls.map((call) => ({
        ...call,
        function: { name: call.function.name, arguments: parsedOr(call.function.arguments) },
      })),
    }),
  };
}

function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
