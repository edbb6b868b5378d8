import { flushCompileCache } from "node:module";
import { messageOf } from "../../shared/errors.ts";
import { answerRequest } from "./answer.ts";
import { BlockingLink } from "./blocking-link.ts";
import { type HostTask, LINK_FD } from "./link-frame.ts";
import { type LoadedModel, openModel } from "./model.ts";
import { isOutOfMemory } from "./out-of-memory.ts";
import { runtimeWords } from "./runtime-words.ts";
import { warmUp } from "./warm-up.ts";

/**
 * The model host: one process, one model. It loads, warms up, and answers requests one after another until the agent
 * closes the link. The agent wrote its argument and kills it when it takes too long, so it has no timers of its own.
 */
async function main(task: HostTask): Promise<void> {
  const link = new BlockingLink(LINK_FD);
  const model = await start(link, task);
  if (model === undefined) return;
  const served = { model, name: task.model, version: task.version };
  for (let request = link.next(); request !== undefined; request = link.next()) {
    const before = performance.now();
    const { code, body, headerLength } = await answerRequest(served, request);
    const computeUs = Math.round((performance.now() - before) * 1_000);
    link.answer({ code, requestId: request.requestId, headerLength, computeUs }, body);
  }
}

async function start(link: BlockingLink, { file }: HostTask): Promise<LoadedModel | undefined> {
  let phase: "loading" | "warming" = "loading";
  try {
    const before = performance.now();
    const model = await openModel(file);
    const loadMs = Math.round(performance.now() - before);
    link.tell({ event: "loaded", inputs: model.inputs, outputs: model.outputs, loadMs });
    phase = "warming";
    link.tell({ event: "ready", warmUs: await warmUp(model) });
    return model;
  } catch (error) {
    const message = messageOf(error);
    const detail = runtimeWords(message, 500);
    link.tell({ event: "failed", phase, outOfMemory: isOutOfMemory(message), detail });
    return undefined;
  }
}

// Node keeps compiled sources when a process ends well, and most hosts end by SIGKILL.
flushCompileCache();
await main(JSON.parse(process.argv[2] ?? "") as HostTask);
