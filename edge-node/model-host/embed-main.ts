import { flushCompileCache } from "node:module";
import { encoderOf, type Embed } from "./embed/encoder.ts";
import { EmbedHost } from "./embed/embed-host.ts";
import { madeUp, whyAlone } from "./embed/padding-check.ts";
import { openTokenizer } from "./embed/tokenizer.ts";
import type { EncoderHostTask } from "./link/link-frame.ts";
import { RunSharing } from "./onnx/batching/run-sharing.ts";
import { openModel } from "./onnx/model.ts";
import { RunSizes } from "./onnx/run-sizes.ts";
import { runtimeWords } from "./onnx/runtime-words.ts";
import { serveRequests } from "./serve-requests.ts";

const WARM_RUNS = 4;
const WARM_TOKENS = 16;
const WARM_TEXT = "A harbour at night.";

/**
 * The model host of an encoder: one process, one model. Before it answers it makes a few embeddings, and tries whether texts
 * may share a run.
 */
const main = ({ model: name, version, encoder, ...task }: EncoderHostTask): Promise<void> =>
  serveRequests((link) => {
    const sizes = new RunSizes({
      tooLarge: task.tooLarge ?? [],
      announce: (size) => link.sendEvent({ event: "larger-run", ...(size !== undefined && { size }) }),
    });
    return {
      load: async () => {
        const model = sizes.guard(await openModel(task.file));
        const tokenizer = openTokenizer(task.tokenizer, task.tokenizerSettings);
        return { tokenizer, embed: encoderOf(model, encoder) };
      },
      warmUp: async ({ tokenizer, embed }) => {
        // A tokenizer that cannot split a text would fail every request.
        tokenizer.tokensOf(WARM_TEXT);
        const warmUs = await warmUp(embed, madeUp(WARM_TOKENS, encoder, 1));
        const noBatchReason = await whyAlone(embed, encoder);
        const sharing = new RunSharing({
          isAllowed: noBatchReason === undefined,
          onStopped: (reason) => link.sendEvent({ event: "sharing-stopped", reason }),
        });
        const requests = new EmbedHost({ model: name, version, encoder, tokenizer, embed, sharing, link });
        return { requests, warmUs, noBatchReason };
      },
      onLimit: () => sizes.forget(),
      wordsOf: (message) => runtimeWords(message, 500),
    };
  });

/** Mean time of a run of one short text, in µs; the first one allocates and does not count. */
async function warmUp(embed: Embed, text: readonly number[]): Promise<number> {
  await embed([text]);
  const before = performance.now();
  for (let run = 0; run < WARM_RUNS; run += 1) await embed([text]);
  return Math.round(((performance.now() - before) * 1_000) / WARM_RUNS);
}

// Node keeps compiled sources when a process ends well, and most hosts end by SIGKILL.
flushCompileCache();
await main(JSON.parse(process.argv[2] ?? "") as EncoderHostTask);
