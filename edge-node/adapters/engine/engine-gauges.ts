/** Requests that an engine has, by its own count: those that run, and those that wait in it. */
export interface EngineLoad {
  readonly running: number;
  readonly waiting: number;
}

/** Of vLLM, SGLang and llama.cpp. Triton counts those that wait. */
const RUNNING = new Set(["vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing"]);
const WAITING = new Set([
  "vllm:num_requests_waiting",
  "sglang:num_queue_reqs",
  "llamacpp:requests_deferred",
  "nv_inference_pending_request_count",
]);
/** `name{labels} value`, and perhaps a time behind it. */
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([0-9.eE+-]+)(?: \d+)?$/;
/** The label that names a model. */
const MODEL = /(?:^|,)(?:model|model_name)="((?:[^"\\]|\\.)*)"/;
const MAX_REQUESTS = 1_000_000;

/** What a page of Prometheus metrics says of an engine's load, by model; under the empty name where it names none. */
export function loadsIn(page: string): ReadonlyMap<string, EngineLoad> {
  const loads = new Map<string, EngineLoad>();
  for (const line of page.split("\n")) {
    const [, name = "", labels = "", text] = SAMPLE.exec(line.trimEnd()) ?? [];
    const isRunning = RUNNING.has(name);
    const value = Number(text);
    if (!(isRunning || WAITING.has(name)) || !(value >= 0 && value <= MAX_REQUESTS)) continue;
    const model = MODEL.exec(labels)?.[1] ?? "";
    const { running, waiting } = loads.get(model) ?? NONE;
    loads.set(model, isRunning ? { running: running + value, waiting } : { running, waiting: waiting + value });
  }
  return loads;
}

const NONE: EngineLoad = { running: 0, waiting: 0 };
