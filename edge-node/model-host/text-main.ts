import { flushCompileCache } from "node:module";
import { messageOf } from "../../shared/base/errors.ts";
import { openLlama } from "./gguf/llama-runtime.ts";
import { EventLink } from "./link/event-link.ts";
import { LINK_FD, type TextHostTask } from "./link/link-frame.ts";
import { isOutOfMemory } from "./out-of-memory.ts";
import { ChatPrompt } from "./text/prompt.ts";
import { TextHost } from "./text/text-host.ts";
import type { TextRuntime } from "./text/text-runtime.ts";

const WARM_TOKENS = 4;
const WARM_PROMPT = "The";

/**
 * The model host of a text model: one process, one model, several requests at once. It loads, generates a few tokens, and
 * answers until the agent closes the link. The agent kills it when it takes too long.
 */
async function main(task: TextHostTask): Promise<void> {
  let host: TextHost | undefined;
  const link = new EventLink(LINK_FD, {
    onRequest: (requestId, body) => host?.ask(requestId, body),
    onCancel: (requestId) => host?.cancel(requestId),
    onCredit: (requestId, bytes) => host?.grant(requestId, bytes),
    onClosed: () => void end(host, link),
  });
  let phase: "loading" | "warming" = "loading";
  try {
    const before = performance.now();
    const runtime = await openLlama(task);
    const chat = new ChatPrompt(runtime);
    link.sendEvent({ event: "loaded", inputs: [], outputs: [], loadMs: Math.round(performance.now() - before) });
    phase = "warming";
    const warmUs = await warmUp(runtime);
    host = new TextHost({ runtime, chat, link, version: task.version });
    const noBatchReason = "requests of a text model join a batch that is under way";
    link.sendEvent({ event: "ready", warmUs, noBatchReason, warnings: [], slots: runtime.sequences });
  } catch (error) {
    const detail = messageOf(error).replaceAll(/\s+/g, " ").slice(0, 500);
    link.sendEvent({ event: "failed", phase, outOfMemory: isOutOfMemory(detail), detail });
    await link.close();
    process.exit(1);
  }
}

/** The agent sends nothing any more: what runs is answered, and the process ends. */
async function end(host: TextHost | undefined, link: EventLink): Promise<void> {
  await host?.idle();
  await link.close();
  process.exit(0);
}

/** How long a short prompt waits for its first token, in µs: the first guess of what a request takes. */
async function warmUp(runtime: TextRuntime): Promise<number> {
  const prompt = runtime.tokenize(WARM_PROMPT, { hasSpecials: false });
  const sampling = {
    temperature: 0,
    topP: 1,
    topK: 0,
    minP: 0,
    seed: 0,
    frequencyPenalty: 0,
    presencePenalty: 0,
    logprobs: undefined,
  };
  const control = { tenant: "", isCancelled: () => false, onStep: () => undefined, onCached: () => undefined };
  const before = performance.now();
  let firstUs = 0;
  let made = 0;
  for await (const _ of runtime.generate(prompt, { ...sampling, format: undefined }, control)) {
    made += 1;
    if (made === 1) firstUs = Math.round((performance.now() - before) * 1_000);
    if (made === WARM_TOKENS) break;
  }
  return firstUs;
}

// Node keeps compiled sources when a process ends well, and most hosts end by SIGKILL.
flushCompileCache();
await main(JSON.parse(process.argv[2] ?? "") as TextHostTask);
