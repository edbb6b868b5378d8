import { flushCompileCache } from "node:module";
import { messageOf } from "../../shared/base/errors.ts";
import { batchCheck } from "./onnx/batching/batch-check.ts";
import { CancelledRequests } from "./link/cancelled-requests.ts";
import { BlockingLink, type LinkRequest } from "./link/blocking-link.ts";
import { whyNotDeterministic } from "./onnx/determinism.ts";
import { type HostTask, type HostWarning, LINK_FD, STATUS_FD } from "./link/link-frame.ts";
import { type LoadedModel, openModel } from "./onnx/model.ts";
import type { HostedPipeline } from "./pipeline/open-pipeline.ts";
import { isOutOfMemory } from "./out-of-memory.ts";
import { measureGrowth, privateMiB } from "./onnx/growth.ts";
import { defaultTensor } from "./onnx/input-defaults.ts";
import { OutputText } from "./onnx/output-text.ts";
import { RunSharing } from "./onnx/batching/run-sharing.ts";
import { ResponseSizes } from "./onnx/response-size.ts";
import { RunSizes } from "./onnx/run-sizes.ts";
import { readModelSamples, type Samples, whySamplesDiffer } from "./onnx/samples.ts";
import { runtimeWords } from "./onnx/runtime-words.ts";
import { tensorSpecs } from "./onnx/tensor-specs.ts";
import { type HostedModel, Batch } from "./onnx/batching/batch.ts";
import { cpuUs, warmUp } from "./onnx/warm-up.ts";

/**
 * The model host: one process, one model. It loads, warms up, and answers requests batch by batch until the agent closes
 * the link: a batch is what has come while the last one ran, and an idle host starts at once. The agent wrote its
 * argument and kills it when it takes too long, so it has no timers of its own.
 */
async function main(task: HostTask): Promise<void> {
  const sizes = new RunSizes({
    tooLarge: task.tooLarge ?? [],
    announce: (size) => link.sendEvent({ event: "larger-run", ...(size !== undefined && { size }) }),
  });
  const link: BlockingLink = new BlockingLink(LINK_FD, { onLimit: () => sizes.forget() });
  const hosted = await start(link, task, sizes);
  if (hosted === undefined) return;
  const cancelled = new CancelledRequests(STATUS_FD);
  for (let request = link.next(); request !== undefined; request = link.next()) {
    const batch = takeBatch(link, hosted, request);
    await batch.answer({ send: (answers) => link.answer(answers), isCancelled: (id) => cancelled.has(id) });
  }
}

function takeBatch(link: BlockingLink, hosted: HostedModel, first: LinkRequest): Batch {
  const batch = new Batch(hosted, first.maxRows);
  for (let request: LinkRequest | undefined = first; request !== undefined;) {
    batch.add(request);
    request = batch.hasRoom ? link.ready() : undefined;
  }
  return batch;
}

async function start(link: BlockingLink, task: HostTask, sizes: RunSizes): Promise<HostedModel | undefined> {
  const { file, model: name, version, noBatchReason, withoutTrials = false, growth, defaults = [], samples } = task;
  let phase: "loading" | "warming" = "loading";
  try {
    const baseMiB = privateMiB();
    const before = performance.now();
    const cpuBefore = cpuUs();
    const pipeline = await openedPipeline(task);
    const opened = pipeline?.model ?? (await openModel(file, defaults.map(defaultTensor)));
    const model = sizes.guard(opened);
    const loadMs = Math.round(performance.now() - before);
    link.sendEvent({
      event: "loaded",
      ...(pipeline?.specs ?? tensorSpecs(model)),
      loadMs,
      baseMiB,
      loadCpuMs: (cpuUs() - cpuBefore) / 1_000,
      ...(pipeline?.keepsState === true && { keepsState: true }),
    });
    phase = "warming";
    const trials = withoutTrials
      ? UNTRIED
      : await tryOut(model, {
          ...(noBatchReason !== undefined && { noBatchReason }),
          ...(samples !== undefined && { samples }),
        });
    const grown = growth === undefined || withoutTrials ? undefined : await measureGrowth(model, growth);
    const needed = grown && { ...grown, neededMiB: grown.neededMiB + (pipeline?.roomMiB ?? 0) };
    link.sendEvent({ event: "ready", ...trials, ...(needed !== undefined && { growth: needed }) });
    const sharing = new RunSharing({
      isAllowed: trials.noBatchReason === undefined,
      onStopped: (reason) => link.sendEvent({ event: "sharing-stopped", reason }),
    });
    return {
      model,
      name,
      version,
      sharing,
      texts: new OutputText(pipeline?.file ?? file),
      responseSizes: new ResponseSizes(opened.dimensions),
      ...(pipeline && { around: pipeline }),
    };
  } catch (error) {
    const message = messageOf(error);
    const detail = runtimeWords(message, 500);
    link.sendEvent({ event: "failed", phase, outOfMemory: isOutOfMemory(message), detail });
    return undefined;
  }
}

/** A graph alone loads nothing of pipelines. */
async function openedPipeline({ pipeline }: HostTask): Promise<HostedPipeline | undefined> {
  if (pipeline === undefined) return undefined;
  const { openPipeline } = await import("./pipeline/open-pipeline.ts");
  return openPipeline(pipeline);
}

/** What is known of a model after runs on made-up values. */
interface Trials {
  readonly warmUs: number;
  readonly runCpuUs?: number;
  /** Why requests may not share a run. */
  readonly noBatchReason: string | undefined;
  readonly warnings: readonly HostWarning[];
}

/** One millisecond is a guess: the first requests correct it. */
const UNTRIED: Trials = { warmUs: 1_000, noBatchReason: "no run on made-up values was possible", warnings: [] };

async function tryOut(
  model: LoadedModel,
  { noBatchReason, samples: file }: Pick<HostTask, "noBatchReason" | "samples">,
): Promise<Trials> {
  const warnings: HostWarning[] = [];
  const warn = (reason: HostWarning["reason"], message: string | undefined): void => {
    if (message !== undefined) warnings.push({ reason, message: message.slice(0, 500) });
  };
  const samples = file === undefined ? undefined : readSamples(model, file, warn);
  const { warmUs, runCpuUs, failure } = await warmUp(model, samples?.first);
  warn("WarmRunFailed", failure === undefined ? undefined : warmRunFailed(failure, samples !== undefined));
  if (samples !== undefined && failure === undefined) warn("SamplesDiffer", await compareSamples(model, samples));
  const changing = await whyNotDeterministic(model, warmUs, samples?.first);
  warn("NotDeterministic", changing);
  const trials = { given: samples?.requests };
  return {
    warmUs,
    runCpuUs,
    noBatchReason: changing ?? noBatchReason ?? (await batchCheck(model, warmUs, trials)),
    warnings,
  };
}

function readSamples(
  model: LoadedModel,
  file: string,
  warn: (reason: HostWarning["reason"], message: string) => void,
): Samples | undefined {
  try {
    return readModelSamples(file, model);
  } catch (error) {
    warn("WarmRunFailed", `made-up values take the place of the version's samples: ${messageOf(error)}`);
    return undefined;
  }
}

/** What differs from the samples, as a sentence; undefined when nothing does. */
async function compareSamples(model: LoadedModel, samples: Samples): Promise<string | undefined> {
  const names = model.outputs.map(({ name }) => name);
  const why = await model.run(samples.inputs, names).then(
    (outputs) => whySamplesDiffer(outputs, samples),
    (error: unknown) => runtimeWords(messageOf(error), 300),
  );
  return why && `it does not answer what the version's samples hold and serves all the same: ${why}`;
}

const warmRunFailed = (failure: string, isGiven: boolean): string =>
  `it did not take the ${isGiven ? "samples of the version in its" : "made-up values of the"} warm run and serves all the same: ${runtimeWords(failure, 300)}`;

// Node keeps compiled sources when a process ends well, and most hosts end by SIGKILL.
flushCompileCache();
await main(JSON.parse(process.argv[2] ?? "") as HostTask);
