import { flushCompileCache } from "node:module";
import type { TextHostTask } from "./link/link-frame.ts";
import { runtimeWords } from "./onnx/runtime-words.ts";
import { serveRequests } from "./serve-requests.ts";
import { ChatPrompt } from "./text/prompt.ts";
import { TextHost } from "./text/text-host.ts";
import { GREEDY, type TextRuntime } from "./text/text-runtime.ts";

const WARM_TOKENS = 4;
const WARM_PROMPT = "The";

/** The model host of a text model: one process, one model. It generates a few tokens before it answers. */
const main = (task: TextHostTask): Promise<void> =>
  serveRequests((link) => ({
    load: async () => {
      const { runtime, noBatchReason } = await open(task);
      return { runtime, chat: new ChatPrompt(runtime), noBatchReason };
    },
    warmUp: async ({ runtime, chat, noBatchReason }) => ({
      warmUs: await warmUp(runtime),
      noBatchReason: noBatchReason ?? "requests of a text model join a batch that is under way",
      slots: runtime.sequences,
      requests: new TextHost({ runtime, chat, link, version: task.version }),
    }),
    wordsOf: (message) => runtimeWords(message, 500),
  }));

/** A runtime is loaded only where its model is served: each has libraries of its own. */
async function open(
  task: TextHostTask,
): Promise<{ readonly runtime: TextRuntime; readonly noBatchReason: string | undefined }> {
  if (task.decoder !== undefined) {
    const { openDecoder } = await import("./generate/decoder-runtime.ts");
    return openDecoder(task, task.decoder);
  }
  const { openLlama } = await import("./gguf/llama-runtime.ts");
  return { runtime: await openLlama(task), noBatchReason: undefined };
}

/** How long a short prompt waits for its first token, in µs: the first guess of what a request takes. */
async function warmUp(runtime: TextRuntime): Promise<number> {
  const prompt = runtime.tokenize(WARM_PROMPT, { hasSpecials: false });
  const control = { tenant: "", isCancelled: () => false, onStep: () => undefined, onCached: () => undefined };
  const before = performance.now();
  let firstUs = 0;
  let made = 0;
  for await (const _ of runtime.generate(prompt, GREEDY, control)) {
    made += 1;
    if (made === 1) firstUs = Math.round((performance.now() - before) * 1_000);
    if (made === WARM_TOKENS) break;
  }
  return firstUs;
}

// Node keeps compiled sources when a process ends well, and most hosts end by SIGKILL.
flushCompileCache();
await main(JSON.parse(process.argv[2] ?? "") as TextHostTask);
