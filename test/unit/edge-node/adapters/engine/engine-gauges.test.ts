import { describe, expect, it } from "@jest/globals";
import { loadsIn } from "../../../../../edge-node/adapters/engine/engine-gauges.ts";

const loads = (page: string) => Object.fromEntries(loadsIn(page));

describe("the load in the metrics of an engine", () => {
  it.each([
    [
      "vLLM, model by model",
      [
        "# HELP vllm:num_requests_running Number of requests in model execution batches.",
        "# TYPE vllm:num_requests_running gauge",
        'vllm:num_requests_running{engine="0",model_name="Qwen/Qwen3-32B"} 3.0',
        'vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen3-32B"} 7.0',
        'vllm:num_requests_running{engine="1",model_name="Qwen/Qwen3-32B"} 2.0',
        'vllm:kv_cache_usage_perc{engine="0",model_name="Qwen/Qwen3-32B"} 0.4',
      ],
      { "Qwen/Qwen3-32B": { running: 5, waiting: 7 } },
    ],
    [
      "SGLang",
      ['sglang:num_running_reqs{model_name="m"} 2.0', 'sglang:num_queue_reqs{model_name="m"} 1.0'],
      { m: { running: 2, waiting: 1 } },
    ],
    [
      "llama.cpp, which names no model",
      ["llamacpp:requests_processing 2", "llamacpp:requests_deferred 4"],
      { "": { running: 2, waiting: 4 } },
    ],
    [
      "Triton, all versions of a model together",
      [
        'nv_inference_pending_request_count{model="m",version="1"} 4',
        'nv_inference_pending_request_count{model="m",version="2"} 1 1700000000000',
        'nv_inference_request_success{model="m",version="1"} 900',
      ],
      { m: { running: 0, waiting: 5 } },
    ],
    ["none of these", ["process_cpu_seconds_total 12", "llamacpp:requests_processing nan", "{}", ""], {}],
    ["figures that cannot be", ["llamacpp:requests_processing -1", "llamacpp:requests_deferred 1e300"], {}],
  ])("is read of %s", (_, lines, found) => {
    expect(loads(lines.join("\n"))).toEqual(found);
    expect(loads(lines.join("\r\n"))).toEqual(found);
  });
});
