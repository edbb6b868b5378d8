import { flushCompileCache } from "node:module";
import { messageOf } from "../../shared/base/errors.ts";
import { BlockingLink, type LinkRequest } from "./link/blocking-link.ts";
import { ASK, type HostTask, LINK_FD, STATUS_FD } from "./link/link-frame.ts";
import { CancelledRequests } from "./link/cancelled-requests.ts";
import { IDLE, RunningSlot } from "./link/running-slot.ts";
import { Batch, type HostedModel } from "./onnx/batching/batch.ts";
import { RunSharing } from "./onnx/batching/run-sharing.ts";
import { defaultTensor } from "./onnx/input-defaults.ts";
import { type OpenedModel, openModel } from "./onnx/model.ts";
import { OutputText } from "./onnx/output-text.ts";
import { ResponseSizes } from "./onnx/response-size.ts";
import { readModelSamples } from "./onnx/samples.ts";
import { runtimeWords } from "./onnx/runtime-words.ts";
import { tensorSpecs } from "./onnx/tensor-specs.ts";
import { cpuUs, warmUp } from "./onnx/warm-up.ts";
import { isOutOfMemory } from "./out-of-memory.ts";

/** A batch that takes so long keeps the other models waiting. In CPU time: a busy machine is no fault of the model. */
const SLOW_BATCH_MS = 100;

interface Loaded extends HostedModel {
  readonly model: OpenedModel;
}

/**
 * The shared model host: one process, several small models, one thread. It loads and unloads as the agent asks. What has come
 * of requests is answered in rounds: a batch of each model in turn, so that none waits for more than one run of each other.
 * Each model was tried in a process of its own before it came here, so there are no trials.
 */
async function main(): Promise<void> {
  const link = new BlockingLink(LINK_FD);
  const cancelled = new CancelledRequests(STATUS_FD);
  const running = new RunningSlot(STATUS_FD);
  const models = new Map<number, Loaded>();
  for (let first = link.next(); first !== undefined; first = link.next()) {
    const requests = new Map<number, LinkRequest[]>();
    const changes: (() => Promise<void>)[] = [];
    for (let ask: LinkRequest | undefined = first; ask !== undefined; ask = link.ready()) {
      const { slot = IDLE, kind } = ask;
      if (kind === ASK.REQUEST || kind === ASK.EXPLAIN) {
        const waiting = requests.get(slot);
        if (waiting === undefined) requests.set(slot, [ask]);
        else waiting.push(ask);
      } else if (kind === ASK.UNLOAD) changes.push(() => unload(slot));
      else {
        const task = JSON.parse(Buffer.from(ask.body).toString("utf8")) as HostTask;
        changes.push(() => load(slot, task));
      }
    }
    while (requests.size > 0)
      for (const [slot, waiting] of requests) {
        running.mark(slot);
        await takeBatch(slot, waiting);
        if (waiting.length === 0) requests.delete(slot);
      }
    for (const change of changes) await change();
    running.mark(IDLE);
  }

  async function takeBatch(slot: number, waiting: LinkRequest[]): Promise<void> {
    const hosted = models.get(slot);
    if (hosted === undefined) throw new Error(`the agent asks for slot ${slot}, which holds no model`);
    const batch = new Batch(hosted, waiting[0]?.maxRows ?? 1);
    do {
      const request = waiting.shift();
      if (request === undefined) break;
      batch.add(request);
    } while (batch.hasRoom);
    const cpuBefore = cpuUs();
    await batch.answer({ send: (answers) => link.answer(answers), isCancelled: (id) => cancelled.has(id) });
    const cpuMs = (cpuUs() - cpuBefore) / 1_000;
    if (cpuMs > SLOW_BATCH_MS) link.sendEvent({ event: "slow-batch", cpuMs }, slot);
  }

  async function load(
    slot: number,
    { file, model: name, version, noBatchReason, defaults = [], samples }: HostTask,
  ): Promise<void> {
    running.mark(slot);
    let phase: "loading" | "warming" = "loading";
    try {
      const before = performance.now();
      const model = await openModel(file, defaults.map(defaultTensor));
      const loadMs = Math.round(performance.now() - before);
      link.sendEvent({ event: "loaded", ...tensorSpecs(model), loadMs }, slot);
      phase = "warming";
      // Made-up values may end the process, where the trial did not need them.
      const given = samples === undefined ? undefined : readModelSamples(samples, model).first;
      const { warmUs } = await warmUp(model, given);
      const sharing = new RunSharing({
        isAllowed: noBatchReason === undefined,
        onStopped: (reason) => link.sendEvent({ event: "sharing-stopped", reason }, slot),
      });
      const texts = new OutputText(file);
      models.set(slot, { model, name, version, sharing, texts, responseSizes: new ResponseSizes(model.dimensions) });
      link.sendEvent({ event: "ready", warmUs, noBatchReason, warnings: [] }, slot);
    } catch (error) {
      const message = messageOf(error);
      const detail = runtimeWords(message, 500);
      link.sendEvent({ event: "failed", phase, outOfMemory: isOutOfMemory(message), detail }, slot);
    }
  }

  async function unload(slot: number): Promise<void> {
    running.mark(slot);
    const hosted = models.get(slot);
    models.delete(slot);
    await hosted?.model.release();
    link.sendEvent({ event: "unloaded" }, slot);
  }
}

// Node keeps compiled sources when a process ends well, and most hosts end by SIGKILL.
flushCompileCache();
await main();
