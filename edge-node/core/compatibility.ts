import type { Capabilities } from "../../shared/protocol/messages/capabilities.ts";
import type { Manifest } from "../../shared/protocol/model-files/manifest.ts";

/** Why this node's runtime cannot run a model, for a person; undefined when it can, as far as its manifest tells. */
export function whyIncompatible(
  manifest: Pick<Manifest, "model" | "version" | "opsets" | "irVersion" | "text" | "encoder" | "engine" | "pipeline">,
  node: Pick<Capabilities, "runtime" | "runtimes" | "engines" | "maxOpset" | "maxIrVersion">,
): string | undefined {
  const name = `${manifest.model}:${manifest.version}`;
  // Which models they have changes; that there is one does not.
  if (manifest.engine !== undefined && node.engines === undefined)
    return `${name} is executed by an engine, and this node has none`;
  if (manifest.text?.decoder !== undefined && node.runtimes?.includes("generate") !== true)
    return `${name} writes text by ONNX Runtime, and this agent has no runtime for that`;
  if (manifest.text !== undefined && manifest.text.decoder === undefined && node.runtimes?.includes("gguf") !== true)
    return `${name} writes text, and there is no build of llama.cpp for this platform`;
  if (manifest.encoder !== undefined && node.runtimes?.includes("embed") !== true)
    return `${name} makes embeddings, and this agent has no runtime for that`;
  if (manifest.pipeline !== undefined && node.runtimes?.includes("pipeline") !== true)
    return `${name} is a pipeline, and this agent has no runtime for that`;
  const opset = manifest.opsets[""] ?? manifest.opsets["ai.onnx"] ?? 0;
  if (opset > node.maxOpset) return `${name} needs opset ${opset}; ${node.runtime} runs up to ${node.maxOpset}`;
  if (manifest.irVersion > node.maxIrVersion)
    return `${name} needs ONNX IR ${manifest.irVersion}; ${node.runtime} reads up to ${node.maxIrVersion}`;
  return undefined;
}
