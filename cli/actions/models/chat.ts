import { createInterface } from "node:readline";
import { z } from "zod";
import { withoutControls } from "../../../shared/base/plain-text.ts";
import { readEventStream } from "../../api/event-stream.ts";
import { EXIT } from "../../exit-codes.ts";
import { parseRoute, routeWords } from "../../infer/route-header.ts";
import { CliFailure, usageFailure } from "../../failure.ts";
import type { CommandContext } from "../../run.ts";

export interface ChatOptions {
  readonly system?: string;
  readonly maxTokens?: number;
  readonly temperature?: string;
  readonly seed?: number;
  /** Say which node answered, and why that one. */
  readonly route?: boolean;
}

interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

const event = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }).optional() })).optional(),
  error: z.object({ message: z.string() }).optional(),
});

/** Sends one message, or every line of standard input with all that was said before, and prints answers as they come. */
export async function chat(
  run: CommandContext,
  { model, message }: { readonly model: string; readonly message: string | undefined },
  options: ChatOptions,
): Promise<void> {
  const ask = questioner(run, model, options);
  const history: Message[] = options.system === undefined ? [] : [{ role: "system", content: options.system }];
  if (message !== undefined) return void (await ask([...history, { role: "user", content: message }]));
  const { stdin } = run.processEnv;
  const isTyped = stdin.isTTY === true;
  if (isTyped) run.output.say(`Talking to ${model}. Ctrl-D ends it.`);
  const prompt = (): void => void (isTyped && run.output.streams.err.write("> "));
  prompt();
  for await (const line of createInterface({ input: stdin, signal: run.signal })) {
    if (line.trim() !== "") {
      history.push({ role: "user", content: line });
      history.push({ role: "assistant", content: await ask(history) });
    }
    prompt();
  }
}

/** Asks with a conversation, prints the answer as it comes and returns it. Throws a `CliFailure` when it is not whole. */
function questioner(run: CommandContext, model: string, options: ChatOptions) {
  const { maxTokens, seed } = options;
  const temperature = temperatureOf(options.temperature);
  return async (messages: readonly Message[]): Promise<string> => {
    const api = await run.api();
    const body = {
      model,
      messages,
      stream: true,
      ...(maxTokens !== undefined && { max_tokens: maxTokens }),
      ...(temperature !== undefined && { temperature }),
      ...(seed !== undefined && { seed }),
    };
    const response = await api.stream("/v1/chat/completions", { body, headers: { Accept: "text/event-stream" } });
    let text = "";
    for await (const { data } of readEventStream(response.body ?? new ReadableStream())) {
      if (data === "[DONE]") {
        run.output.streams.out.write("\n");
        if (options.route === true) run.output.say(routeLine(response.headers));
        return text;
      }
      const { choices, error } = event.parse(JSON.parse(data));
      if (error !== undefined) throw cut(model, error.message);
      const piece = choices?.[0]?.delta?.content ?? "";
      text += piece;
      run.output.streams.out.write(withoutControls(piece));
    }
    throw cut(model, "the connection ended before the answer did");
  };
}

/** `edge-a, affinity of 4: it has the session's prompts in its cache, 12 ms expected`. */
const routeLine = (headers: Headers): string =>
  `${headers.get("skerry-node") ?? "no node named"}, ${routeWords(parseRoute(headers.get("skerry-route")))}`;

const cut = (model: string, why: string): CliFailure =>
  new CliFailure(EXIT.error, { what: `the answer of ${model} is not whole`, why: [why], fix: "ask again" });

function temperatureOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const temperature = text.trim() === "" ? Number.NaN : Number(text);
  if (temperature >= 0 && temperature <= 2) return temperature;
  throw usageFailure(`--temperature ${text}: no number from 0 to 2`, "give it as --temperature 0.7");
}
