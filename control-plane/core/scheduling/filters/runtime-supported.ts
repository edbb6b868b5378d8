import type { FleetVersion } from "../../fleet/types.ts";
import { memo } from "../../memo.ts";
import type { Filter } from "./filter.ts";

/** The node has the runtime of the model, its ONNX Runtime the operator set and file format, and its agent the kind of inputs. */
export const runtimeSupported: Filter = {
  code: "runtime-supported",
  keyOf: ({ version }) => needsOf(version),
  refuse({ node }, { version }) {
    const { capabilities } = node;
    if (!capabilities) return { verdict: "not now", sentence: `${node.name} has not said what it can run` };
    if (version.text !== undefined && capabilities.runtimes?.includes("gguf") !== true) {
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
    if (hasOptionalInputs(version) && capabilities.optionalInputs !== true)
      return { verdict: "never", sentence: `has optional inputs; the agent of ${node.name} is too old for them` };
    return undefined;
  },
};

const hasOptionalInputs = ({ inputs }: FleetVersion): boolean =>
  inputs.some(({ parameters }) => parameters?.optional === true);

/** Everything that a version needs of a node's software. */
const needsOf = memo((version: FleetVersion): string => {
  const { text, encoder, opset, irVersion } = version;
  return [text !== undefined, encoder !== undefined, opset, irVersion, hasOptionalInputs(version)].join(" ");
});
