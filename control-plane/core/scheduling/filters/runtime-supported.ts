import type { Filter } from "./filter.ts";

/** The node has the runtime of the model, its ONNX Runtime the operator set and file format, and its agent the kind of inputs. */
export const runtimeSupported: Filter = {
  code: "runtime-supported",
  refuse({ node }, { version }) {
    const { capabilities } = node;
    if (!capabilities) return { verdict: "not now", sentence: `${node.name} has not said what it can run` };
    if (version.text?.decoder !== undefined && capabilities.runtimes?.includes("generate") !== true)
      return {
        verdict: "never",
        sentence: `writes text by ONNX Runtime; the agent of ${node.name} is too old for that`,
      };
    if (
      version.text !== undefined &&
      version.text.decoder === undefined &&
      capabilities.runtimes?.includes("gguf") !== true
    ) {
      const why = capabilities.runtimes === undefined ? "its agent is too old" : "there is no build for its platform";
      return { verdict: "never", sentence: `writes text, and ${node.name} has no runtime for GGUF models: ${why}` };
    }
    if (version.encoder !== undefined && capabilities.runtimes?.includes("embed") !== true)
      return { verdict: "never", sentence: `makes embeddings; the agent of ${node.name} is too old for that` };
    if (version.opset !== undefined && version.opset > capabilities.maxOpset) {
      return {
        verdict: "never",
        sentence: `needs opset ${version.opset}; ${node.name} supports up to ${capabilities.maxOpset}`,
      };
    }
    if (version.irVersion !== undefined && version.irVersion > capabilities.maxIrVersion) {
      return {
        verdict: "never",
        sentence: `needs ONNX IR ${version.irVersion}; ${node.name} supports up to ${capabilities.maxIrVersion}`,
      };
    }
    const isOptional = version.inputs.some(({ parameters }) => parameters?.optional === true);
    if (isOptional && capabilities.optionalInputs !== true)
      return { verdict: "never", sentence: `has optional inputs; the agent of ${node.name} is too old for them` };
    return undefined;
  },
};
