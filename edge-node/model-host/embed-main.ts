import { flushCompileCache } from "node:module";
import { messageOf } from "../../shared/base/errors.ts";
import { encoderOf, type Embed } from "./embed/encoder.ts";
import { EmbedHost } from "./embed/embed-host.ts";
import { madeUp, whyAlone } from "./embed/padding-check.ts";
import { openTokenizer } from "./embed/tokenizer.ts";
import { EventLink } from "./link/event-link.ts";
import { type EncoderHostTask, LINK_FD } from "./link/link-frame.ts";
import { RunSharing } from "./onnx/batching/run-sharing.ts";
import { openModel } from "./onnx/model.ts";
import { RunSizes } from "./onnx/run-sizes.ts";
import { runtimeWords } from "./onnx/runtime-words.ts";
import { isOutOfMemory } from "./out-of-memory.ts";

const WARM_RUNS = 4;
const WARM_TOKENS = 16;
const WARM_TEXT = "A harbour at night.";

/**
 * The model host of an encoder: one process, one model, texts of several requests at once. It loads, makes a few embeddings, tries
 * whether texts may share a run, and answers until the agent closes the link. The agent kills it when it takes too long.
 */
async function main(task: EncoderHostTask): Promise<void> {
  const { model: name, version, encoder } = task;
  let host: EmbedHost | undefined;
  const link = new EventLink(LINK_FD, {
    onRequest: (requestId, body, maxRows) => host?.ask(requestId, body, maxRows),
    onCancel: (requestId) => host?.cancel(requestId),
    onCredit: (requestId, bytes) => host?.grant(requestId, bytes),
    onLimit: () => sizes.forget(),
    onClosed: () => void end(host, link),
  });
  const sizes = new RunSizes({
    tooLarge: task.tooLarge ?? [],
    announce: (size) => link.sendEvent({ event: "larger-run", ...(size !== undefined && { size }) }),
  });
  let phase: "loading" | "warming" = "loading";
  try {
    const before = performance.now();
    const model = sizes.guard(await openModel(task.file));
    const tokenizer = openTokenizer(task.tokenizer, task.tokenizerSettings);
    const embed = encoderOf(model, encoder);
    link.sendEvent({ event: "loaded", inputs: [], outputs: [], loadMs: Math.round(performance.now() - before) });
    phase = "warming";
    // A tokenizer that cannot split a text would fail every request.
    tokenizer.tokensOf(WARM_TEXT);
    const warmUs = await warmUp(embed, madeUp(WARM_TOKENS, encoder, 1));
    const noBatchReason = await whyAlone(embed, encoder);
    const sharing = new RunSharing({
      isAllowed: noBatchReason === undefined,
      onStopped: (reason) => link.sendEvent({ event: "sharing-stopped", reason }),
    });
    host = new EmbedHost({ model: name, version, encoder, tokenizer, embed, sharing, link });
    link.sendEvent({ event: "ready", warmUs, noBatchReason, warnings: [] });
  } catch (error) {
    const message = messageOf(error);
    const detail = runtimeWords(message, 500);
    link.sendEvent({ event: "failed", phase, outOfMemory: isOutOfMemory(message), detail });
    await link.close();
    process.exit(1);
  }
}

/** The agent sends nothing any more: what runs is answered, and the process ends. */
async function end(host: EmbedHost | undefined, link: EventLink): Promise<void> {
  await host?.idle();
  await link.close();
  process.exit(0);
}

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
