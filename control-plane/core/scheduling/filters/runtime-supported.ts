import { type EngineModel, engineApiOf } from "../../../../shared/text/engine-model.ts";
import type { FleetNode, FleetVersion } from "../../fleet/types.ts";
import { memo } from "../../memo.ts";
import { listed } from "../format.ts";
import { UNKNOWN } from "./fits-memory.ts";
import type { Filter, Refusal } from "./filter.ts";

/** The node has the runtime of the model, its ONNX Runtime the operator set and file format, and its agent the kind of inputs. */
export const runtimeSupported: Filter = {
  code: "runtime-supported",
  keyOf: ({ version }) => needsOf(version),
  refuse({ node }, { version }) {
    const { capabilities } = node;
    if (!capabilities) return { verdict: "not now", sentence: `${node.name} has not said what it can run` };
    if (version.engine !== undefined) return refuseEngine(version.engine, node, capabilities.engines);
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
    if (version.pipeline !== undefined && capabilities.runtimes?.includes("pipeline") !== true)
      return { verdict: "never", sentence: `is a pipeline; the agent of ${node.name} is too old for that` };
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
  wouldLift({ node }, { version }) {
    const { capabilities } = node;
    if (!capabilities) return UNKNOWN;
    if (version.engine !== undefined)
      return `start an engine (${engineApiOf(version.engine)}) with the model ${version.engine.model} beside it`;
    const { runtimes } = capabilities;
    const isGguf = version.text !== undefined && version.text.decoder === undefined;
    // An agent that names its runtimes and not this one has no build of it for its platform.
    return isGguf && runtimes !== undefined && !runtimes.includes("gguf") ? undefined : "update its agent";
  },
};

const hasOptionalInputs = ({ inputs }: FleetVersion): boolean =>
  inputs.some(({ parameters }) => parameters?.optional === true);

/** Everything that a version needs of a node's software. */
const needsOf = memo((version: FleetVersion): string => {
  const { text, encoder, engine, pipeline, opset, irVersion } = version;
  const asked = engine && `${engine.kind} ${engine.model}`;
  const writes = text && (text.decoder === undefined ? "gguf" : "generate");
  return [
    writes,
    encoder !== undefined,
    pipeline !== undefined,
    opset,
    irVersion,
    hasOptionalInputs(version),
    asked,
  ].join(" ");
});

/** An engine may be started, or load another model, at any time. */
function refuseEngine(
  engine: EngineModel,
  { name }: FleetNode,
  engines: NonNullable<FleetNode["capabilities"]>["engines"] = [],
): Pick<Refusal, "verdict" | "sentence"> | undefined {
  const api = engineApiOf(engine);
  const suitable = engines.filter((each) => each.api === api);
  if (suitable.length === 0)
    return {
      verdict: "not now",
      sentence: `needs an engine (${api}) with the model ${engine.model}; ${name} has none`,
    };
  if (suitable.some(({ models }) => models.includes(engine.model))) return undefined;
  const there = suitable.flatMap(({ models }) => models);
  const has = there.length === 0 ? "has not said what it has" : `has ${listed(there)}`;
  return { verdict: "not now", sentence: `needs an engine with the model ${engine.model}; that of ${name} ${has}` };
}
