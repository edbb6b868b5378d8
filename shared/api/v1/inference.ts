import { z } from "zod";
import { versionNumber } from "./common.ts";
import { placementState } from "../../protocol/placement.ts";
import { tensorSpec } from "../../protocol/model-files/manifest.ts";

/** Schemas of the Open Inference Protocol's metadata, as the control plane answers them under `/v2`. */
export const serverMetadata = z
  .object({ name: z.literal("skerry"), version: z.string(), extensions: z.array(z.string()) })
  .meta({ id: "ServerMetadata" });
export type ServerMetadata = z.infer<typeof serverMetadata>;

export const serverLive = z.object({ live: z.boolean() });
export const serverReady = z.object({ ready: z.boolean() });
export const modelNames = z.object({ models: z.array(z.string()) });
export const modelReady = z.object({ name: z.string(), ready: z.boolean() });

export const modelMetadata = z
  .object({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.enum(["onnx_onnxv1", "skerry_pipeline"]),
    inputs: z.array(tensorSpec),
    outputs: z.array(tensorSpec),
    properties: z.record(z.string(), z.string()),
  })
  .meta({ id: "ModelMetadata" });
export type ModelMetadata = z.infer<typeof modelMetadata>;

const configTensor = z.object({ name: z.string(), data_type: z.string(), dims: z.array(z.number().int()) });
/** The part of Triton's model configuration that its clients read. */
export const modelConfig = z
  .object({
    name: z.string(),
    platform: z.string(),
    backend: z.string(),
    max_batch_size: z.number().int(),
    input: z.array(configTensor),
    output: z.array(configTensor),
  })
  .meta({ id: "ModelConfig" });
export type ModelConfig = z.infer<typeof modelConfig>;

const statisticDuration = z.object({ count: z.number(), ns: z.number() });
/** What this process has answered since it started; times count in ns. */
export const modelStatistics = z
  .object({
    model_stats: z.array(
      z.object({
        name: z.string(),
        version: z.string(),
        last_inference: z.number(),
        inference_count: z.number(),
        execution_count: z.number(),
        inference_stats: z.object({
          success: statisticDuration,
          fail: statisticDuration,
          queue: statisticDuration,
          compute_input: statisticDuration,
          compute_infer: statisticDuration,
          compute_output: statisticDuration,
        }),
      }),
    ),
  })
  .meta({ id: "ModelStatistics" });

const indexState = z.enum(["READY", "LOADING", "UNLOADING", "UNAVAILABLE"]);

/** Of `load` and `unload`: what a caller sends may be nothing; which parameters mean something is the handler's business. */
export const changeRequest = z.object({ parameters: z.record(z.string(), z.unknown()).default({}) });

/** The protocol lets a caller send nothing at all; unknown keys are ignored, as everywhere under `/v2`. */
export const indexRequest = z.object({ ready: z.boolean().default(false) });
const indexEntry = z.object({ name: z.string(), version: z.string(), state: indexState, reason: z.string() });
export const repositoryIndex = z.array(indexEntry);
export type IndexEntry = z.infer<typeof indexEntry>;

/** The body of every error under `/v2`. The code is in the header `Skerry-Error`. */
export const inferenceError = z.object({ error: z.string() }).meta({ id: "InferenceError" });

/** A node that serves a deployment on its own address, for callers near it and for the time when the control plane is away. */
export const endpoint = z
  .object({
    node: z.string(),
    kind: z.enum(["edge", "cloud"]),
    site: z.string(),
    version: versionNumber,
    /** Only `ready` answers. */
    state: placementState,
    nodeState: z.string(),
    /** Where requests go; null when the node tells no address of its own. */
    url: z.string().nullable(),
    /** `machine`: only programs on the node's own machine reach it. */
    reach: z.enum(["network", "machine", "none"]),
    /** `node`: a key of the node's own file, which no key of the control plane is. Null without an address. */
    key: z.enum(["none", "node"]).nullable(),
  })
  .meta({ id: "Endpoint" });
export type Endpoint = z.infer<typeof endpoint>;
